{%- set windows = [
    ('recent', var('inventory_velocity_days')),
    ('longer', var('inventory_dead_days')),
] -%}

with

inventory_days as (
    select * from {{ ref('int_inventory_days_balanced') }}
),

bounds as (
    select
        {% for name, days in windows %}
        {{ dbt.dateadd('day', -days, 'as_of_date') }} as {{ name }}_after,
        {% endfor %}
        as_of_date
    from {{ ref('int_calendar_bounds_derived') }}
),

days_aged as (
    select
        inventory_days.*,
        {% for name, days in windows %}
        inventory_days.date_day > bounds.{{ name }}_after as is_{{ name }},
        {% endfor %}
        inventory_days.date_day = bounds.as_of_date as is_last
    from inventory_days
    cross join bounds
),

-- A day without stock says nothing about demand: it is left out, with whatever was sold on backorder.
summed as (
    select
        product_id,
        location_code,
        min(date_day) as first_day,
        max(case when sold_quantity > 0 then date_day end) as last_sale_date,
        max(case when is_last then closing_quantity end) as on_hand_quantity,
        {% for name, days in windows %}
        count(case when is_{{ name }} and not is_stockout_day then 1 end) as {{ name }}_stocked_days,
        sum(case when is_{{ name }} and not is_stockout_day then sold_quantity else 0 end) as {{ name }}_quantity,
        {% endfor %}
        count(case when is_recent and is_stockout_day then 1 end) as stockout_days,
        sum(case when is_recent and is_stockout_day then sold_quantity else 0 end) as backordered_quantity
    from days_aged
    group by product_id, location_code
),

final as (
    select
        product_id,
        location_code,
        first_day,
        last_sale_date,
        on_hand_quantity,
        recent_stocked_days as stocked_days,
        stockout_days,
        backordered_quantity,
        -- Sold out for the whole window: the last days with stock speak for it, or it would never be ordered again.
        case
            {% for name, days in windows %}
            when {{ name }}_stocked_days > 0
                then {{ quotient(name ~ '_quantity', name ~ '_stocked_days') }}
            {% endfor %}
        end as average_daily_quantity
    from summed
)

select * from final
