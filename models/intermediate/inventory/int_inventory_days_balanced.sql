{%- set reasons = {
    'sold': ('sale', -1), 'returned': ('return', 1), 'received': ('receipt', 1), 'adjusted': ('adjustment', 1),
    'transferred': ('transfer', 1),
} -%}

with

movements as (
    select
        *,
        {{ to_local_date('occurred_at', reporting_timezone()) }} as movement_date
    from {{ ref('stg_files__inventory_events') }}
),

days as (
    select * from {{ ref('int_days_spined') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

movements_by_day as (
    select
        product_id,
        location_code,
        movement_date,
        {% for name, (reason, sign) in reasons.items() %}
        sum(case when reason = '{{ reason }}' then {{ sign }} * quantity_delta else 0 end) as {{ name }}_quantity,
        {% endfor %}
        sum(case when quantity_delta > 0 then quantity_delta else 0 end) as incoming_quantity,
        sum(quantity_delta) as net_quantity
    from movements
    group by product_id, location_code, movement_date
),

-- Stock from before the shop's first day is there on that day, without its history.
stock_before as (
    select
        movements_by_day.product_id,
        movements_by_day.location_code,
        min(movements_by_day.movement_date) as first_movement_date,
        sum(case when movements_by_day.movement_date < bounds.first_date then movements_by_day.net_quantity else 0 end)
            as quantity_before
    from movements_by_day
    cross join bounds
    group by movements_by_day.product_id, movements_by_day.location_code
),

calendar as (
    select
        stock_before.product_id,
        stock_before.location_code,
        stock_before.quantity_before,
        days.date_day
    from stock_before
    cross join bounds
    inner join days
        on
            stock_before.first_movement_date <= days.date_day
            and bounds.as_of_date >= days.date_day
),

balanced as (
    select
        calendar.product_id,
        calendar.location_code,
        calendar.date_day,
        {% for name in reasons %}
        coalesce(movements_by_day.{{ name }}_quantity, 0) as {{ name }}_quantity,
        {% endfor %}
        coalesce(movements_by_day.incoming_quantity, 0) as incoming_quantity,
        coalesce(movements_by_day.net_quantity, 0) as net_quantity,
        calendar.quantity_before + coalesce(
            sum(movements_by_day.net_quantity) over (
                partition by calendar.product_id, calendar.location_code
                order by calendar.date_day
                rows between unbounded preceding and current row
            ), 0
        ) as closing_quantity
    from calendar
    left join movements_by_day
        on
            calendar.product_id = movements_by_day.product_id
            and calendar.location_code = movements_by_day.location_code
            and calendar.date_day = movements_by_day.movement_date
),

final as (
    select
        product_id,
        location_code,
        date_day,
        closing_quantity - net_quantity as opening_quantity,
        {% for name in reasons %}
        {{ name }}_quantity,
        {% endfor %}
        closing_quantity,
        closing_quantity - net_quantity <= 0 and incoming_quantity = 0 as is_stockout_day
    from balanced
)

select * from final
