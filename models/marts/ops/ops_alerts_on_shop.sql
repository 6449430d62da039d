-- One row per thing in the shop itself that somebody wants to hear of: stock that runs out, a product that trends.
with

inventory as (
    select * from {{ ref('rpt_inventory_status') }}
),

trending as (
    select * from {{ ref('rpt_trending_products') }}
),

low_stock as (
    select
        'stock:' || product_id || ':' || location_code as alert_key,
        'info' as severity,
        case when status = 'out' then 'Out of stock: ' else 'Low stock: ' end
        || product_name || ' in ' || location_code as title,
        'Order ' || suggested_order_quantity || '.' as detail
    from inventory
    where status in ('out', 'low') and suggested_order_quantity > 0
),

last_day as (
    select max(event_date) as event_date
    from trending
),

trending_today as (
    select
        'trending:' || trending.product_id as alert_key,
        'info' as severity,
        'Trending: ' || max(trending.product_name) as title,
        max(trending.view_count) || ' views in an hour of ' || trending.event_date || '.' as detail
    from trending
    inner join last_day on trending.event_date = last_day.event_date
    where trending.is_trending
    group by trending.product_id, trending.event_date
),

final as (
    select * from low_stock

    union all

    select * from trending_today
)

select * from final
