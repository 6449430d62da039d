-- One row per identity: registered customers, guests by e-mail, and guests without an address by order.
with

customers as (
    select * from {{ ref('stg_shop__customers') }}
),

orders as (
    select * from {{ ref('fct_orders') }}
),

identities_of_orders as (
    select * from {{ ref('int_identities_resolved_to_orders') }}
),

-- Who ordered without being among the customers; the country of the last order is all that is known of a guest.
guests as (
    select
        identities_of_orders.identity_key,
        identities_of_orders.identity_type,
        identities_of_orders.registered_customer_id as customer_id,
        identities_of_orders.email_hash,
        orders.shipping_country_code as country_code,
        min(case when orders.is_test then 1 else 0 end) over (partition by orders.identity_key) = 1 as is_test,
        min(orders.ordered_at) over (partition by orders.identity_key) as created_at,
        row_number() over (
            partition by orders.identity_key
            order by orders.ordered_at desc, orders.order_id desc
        ) as recency_rank
    from orders
    inner join identities_of_orders on orders.order_id = identities_of_orders.order_id
    left join customers on identities_of_orders.registered_customer_id = customers.customer_id
    where customers.customer_id is null
),

identities as (
    select
        {{ dbt_utils.generate_surrogate_key(["'customer'", 'customer_id']) }} as identity_key,
        'customer' as identity_type,
        customer_id,
        email_hash,
        country_code,
        region,
        is_marketing_opt_in,
        is_test,
        is_deleted,
        created_at
    from customers
    union all
    select
        identity_key,
        identity_type,
        customer_id,
        email_hash,
        country_code,
        null as region,
        false as is_marketing_opt_in,
        is_test,
        false as is_deleted,
        created_at
    from guests
    where recency_rank = 1
),

sales_by_identity as (
    select
        identity_key,
        min(order_date) as first_sale_date,
        max(order_date) as last_sale_date,
        count(*) as sales_count
    from orders
    where is_sale
    group by identity_key
),

final as (
    select
        -- keys
        identities.identity_key,
        identities.customer_id,

        -- attributes
        identities.identity_type,
        identities.email_hash,
        identities.country_code,
        identities.region,
        sales_by_identity.first_sale_date,
        sales_by_identity.last_sale_date,
        cast(coalesce(sales_by_identity.sales_count, 0) as integer) as sales_count,

        -- flags
        identities.identity_type <> 'customer' as is_guest,
        coalesce(identities.is_marketing_opt_in, false) as is_marketing_opt_in,
        identities.is_test,
        identities.is_deleted,

        -- timestamps
        identities.created_at
    from identities
    left join sales_by_identity on identities.identity_key = sales_by_identity.identity_key
)

select * from final
