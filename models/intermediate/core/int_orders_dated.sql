with

{% call touched('order_id') %}
{{ changed('stg_shop__orders', 'order_id') }}
union all
select order_id from {{ ref('stg_shop__orders') }}
where store_id in ({{ changed('stg_shop__stores', 'store_id') }})
{% endcall %}

orders as (
    select * from {{ touched_rows(ref('stg_shop__orders'), 'order_id') }}
),

stores as (
    select * from {{ ref('stg_shop__stores') }}
),

final as (
    select
        orders.order_id,
        orders.store_id,
        orders.customer_id,
        orders.session_id,
        orders.order_number,
        orders.status,
        orders.channel,
        orders.currency,
        orders.coupon_code,
        orders.shipping_country_code,
        orders.shipping_amount,
        orders.tax_amount,
        orders.total_amount,
        orders.is_test,
        orders.is_deleted,
        orders.ordered_at,
        orders.cancelled_at,
        orders.shipped_at,
        orders.delivered_at,
        orders.load_id,
        stores.timezone,
        stores.prices_include_tax,
        {{ to_local_date('orders.ordered_at', 'stores.timezone') }} as order_date
    from orders
    inner join stores on orders.store_id = stores.store_id
)

select * from final
{{ stored_by('order_id') }}
