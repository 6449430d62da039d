{% set merge_guests = var('merge_guests_by_email') %}
{% set shared_emails = var('shared_guest_emails') | map('trim') | map('lower') %}

with

-- A customer whose address is new gains the guest orders of that address and loses those of the old one.
{% call touched('order_id') %}
{{ changed('stg_shop__orders', 'order_id') }}
union all
select order_id from {{ ref('stg_shop__orders') }}
where guest_email in (
    select email from {{ ref('stg_shop__customers') }}
    where customer_id in ({{ changed('stg_shop__customers', 'customer_id') }})
)
union all
select order_id from {{ this }}
where registered_customer_id in ({{ changed('stg_shop__customers', 'customer_id') }})
{% endcall %}

orders as (
    select
        order_id,
        customer_id,
        guest_email,
        guest_email_hash
    from {{ touched_rows(ref('stg_shop__orders'), 'order_id') }}
),

-- Two accounts with one address: the older account stands for the address.
customers_by_email as (
    select
        email,
        min(customer_id) as customer_id
    from {{ ref('stg_shop__customers') }}
    where email is not null
    group by email
),

-- An address that is none, or that the shop's staff types in for anyone, identifies nobody.
guest_emails as (
    select
        order_id,
        guest_email as email,
        guest_email_hash as email_hash
    from orders
    where
        customer_id is null
        and {{ merge_guests | lower }}
        and guest_email like '%_@_%'
        and guest_email not like '%.invalid'
        and guest_email not in ('{{ shared_emails | join("', '") }}')
),

resolved as (
    select
        orders.order_id,
        coalesce(orders.customer_id, customers_by_email.customer_id) as registered_customer_id,
        guest_emails.email_hash
    from orders
    left join guest_emails on orders.order_id = guest_emails.order_id
    left join customers_by_email on guest_emails.email = customers_by_email.email
),

typed as (
    select
        *,
        case
            when registered_customer_id is not null then 'customer'
            when email_hash is not null then 'guest'
            else 'order'
        end as identity_type,
        coalesce(
            cast(registered_customer_id as {{ dbt.type_string() }}),
            email_hash,
            cast(order_id as {{ dbt.type_string() }})
        ) as identity_value
    from resolved
),

final as (
    select
        order_id,
        {{ dbt_utils.generate_surrogate_key(['identity_type', 'identity_value']) }} as identity_key,
        identity_type,
        registered_customer_id,
        case when identity_type = 'guest' then email_hash end as email_hash
    from typed
)

select * from final
{{ stored_by('order_id') }}
