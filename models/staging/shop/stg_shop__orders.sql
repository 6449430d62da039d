with

-- A store that comes or goes takes its orders with it.
{% call touched('order_id') %}
{{ loaded('shop', 'orders', 'order_id') }}
union all
select order_id from {{ source('shop', 'orders') }}
where store_id in ({{ changed('stg_shop__stores', 'store_id') }})
{% endcall %}

email_salt as (
    select salt from {{ source('secrets', 'email_salt') }}
),

orders as (
    select * from {{ ref('base_shop__orders') }}
    where
        reject_reason is null
        and {{ is_touched_in_raw('shop', 'orders', 'order_id') }}
),

ranked as (
    select
        orders.*,
        email_salt.salt,
        {{ version_rank('order_id') }} as version_rank
    from orders
    cross join email_salt
),

renamed as (
    select
        -- keys
        order_id,
        store_id,
        customer_id,
        session_id,

        -- attributes
        order_number,
        nullif(lower(trim(guest_email)), '') as guest_email,
        {{ dbt.hash("salt || nullif(lower(trim(guest_email)), '')") }} as guest_email_hash,
        status,
        channel,
        upper(currency) as currency,
        nullif(upper(trim(coupon_code)), '') as coupon_code,
        shipping_country_code,

        -- amounts
        {{ money('subtotal_amount') }} as subtotal_amount,
        {{ money('discount_amount') }} as discount_amount,
        {{ money('shipping_amount') }} as shipping_amount,
        {{ money('tax_amount') }} as tax_amount,
        {{ money('total_amount') }} as total_amount,

        -- flags
        coalesce(is_test, false) as is_test,
        deleted_at is not null as is_deleted,

        -- timestamps
        ordered_at,
        cancelled_at,
        shipped_at,
        delivered_at,
        created_at,
        updated_at,
        deleted_at,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
{{ stored_by('order_id') }}
