-- One row per product and hour in which it was looked at. Filter on is_trending for the hours that stand out.
with

events as (
    select * from {{ ref('fct_events') }}
),

products as (
    select * from {{ ref('dim_products') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

product_hours as (
    select
        events.product_id,
        {{ dbt.date_trunc('hour', 'events.event_at') }} as hour_started_at,
        min(events.event_date) as event_date,
        count(case when events.event_type = 'product_view' then 1 end) as view_count,
        count(distinct case when events.event_type = 'product_view' then events.visitor_key end) as viewer_count,
        coalesce(sum(case when events.event_type = 'add_to_cart' then coalesce(events.quantity, 1) end), 0)
            as cart_quantity
    from events
    cross join bounds
    where
        events.event_type in ('product_view', 'add_to_cart')
        and events.event_date <= bounds.as_of_date
    group by
        events.product_id,
        {{ dbt.date_trunc('hour', 'events.event_at') }}
),

final as (
    select
        -- keys
        product_hours.product_id,
        product_hours.hour_started_at,

        -- attributes
        product_hours.event_date,
        products.product_name,
        products.category,
        cast(
            row_number() over (
                partition by product_hours.hour_started_at
                order by product_hours.view_count desc, product_hours.viewer_count desc, product_hours.product_id asc
            ) as integer
        ) as hour_rank,

        -- measures
        cast(product_hours.view_count as integer) as view_count,
        cast(product_hours.viewer_count as integer) as viewer_count,
        cast(product_hours.cart_quantity as integer) as cart_quantity,

        -- flags
        product_hours.view_count >= {{ var('trending_min_views') }} as is_trending
    from product_hours
    inner join products on product_hours.product_id = products.product_id
    where product_hours.view_count > 0
)

select * from final
