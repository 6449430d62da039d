-- One row per ordered pair of products sold together: "who buys product_id also buys related_product_id". Support and
-- lift are the same both ways, confidence is not. Gift cards and free-text lines are no products.
{%- set min_orders = var('affinity_min_orders') %}
{%- set min_support = var('affinity_min_support') %}
{%- set window_days = var('affinity_days') %}

with

order_lines as (
    select * from {{ ref('fct_order_lines') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

-- A product counts once an order, however many lines and pieces of it there are.
basket_products as (
    select distinct
        order_lines.order_id,
        order_lines.product_id
    from order_lines
    cross join bounds
    where
        order_lines.is_sale
        and order_lines.line_type = 'product'
        and order_lines.product_id is not null
        and order_lines.order_date <= bounds.as_of_date
        and order_lines.order_date > {{ dbt.dateadd('day', -window_days, 'bounds.as_of_date') }}
),

orders_counted as (
    select count(distinct order_id) as order_count
    from basket_products
),

orders_by_product as (
    select
        product_id,
        count(*) as order_count
    from basket_products
    group by product_id
),

orders_by_pair as (
    select
        basket_products.product_id,
        related_baskets.product_id as related_product_id,
        count(*) as order_count
    from basket_products
    inner join basket_products as related_baskets
        on
            basket_products.order_id = related_baskets.order_id
            and basket_products.product_id <> related_baskets.product_id
    group by basket_products.product_id, related_baskets.product_id
    having count(*) >= {{ min_orders }}
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(
            ['orders_by_pair.product_id', 'orders_by_pair.related_product_id']
        ) }} as product_pair_key,
        orders_by_pair.product_id,
        orders_by_pair.related_product_id,

        -- measures
        cast(orders_by_pair.order_count as integer) as pair_order_count,
        cast(products.order_count as integer) as product_order_count,
        cast(related_products.order_count as integer) as related_product_order_count,
        cast(orders_counted.order_count as integer) as all_order_count,
        {{ quotient('orders_by_pair.order_count', 'orders_counted.order_count', 6) }} as pair_support,
        {{ quotient('orders_by_pair.order_count', 'products.order_count', 6) }} as confidence,
        cast(
            {{ quotient('orders_by_pair.order_count', 'products.order_count', 6) }}
            - {{ quotient('related_products.order_count', 'orders_counted.order_count', 6) }}
            as decimal(18, 6)
        ) as added_confidence,
        {{ quotient(
            'orders_by_pair.order_count * orders_counted.order_count',
            'products.order_count * related_products.order_count',
            6,
        ) }} as lift
    from orders_by_pair
    cross join orders_counted
    inner join orders_by_product as products on orders_by_pair.product_id = products.product_id
    inner join orders_by_product as related_products on orders_by_pair.related_product_id = related_products.product_id
    where orders_by_pair.order_count >= {{ min_support }} * orders_counted.order_count
)

select * from final
