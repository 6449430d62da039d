with

orders as (
    select * from {{ ref('stg_shop__orders') }}
),

stores as (
    select * from {{ ref('stg_shop__stores') }}
),

final as (
    select
        orders.*,
        stores.timezone,
        stores.prices_include_tax,
        {{ to_local_date('orders.ordered_at', 'stores.timezone') }} as order_date
    from orders
    inner join stores on orders.store_id = stores.store_id
)

select * from final
