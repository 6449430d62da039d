{%- set reasons = {
    'sold': ('sale', -1), 'returned': ('return', 1), 'received': ('receipt', 1), 'adjusted': ('adjustment', 1),
    'transferred': ('transfer', 1),
} -%}

with

-- What moved is balanced anew from the first day that changed, everything else on the days that the calendar gained.
{% call touched(['product_id', 'location_code', 'date_day']) %}
select pairs.product_id, pairs.location_code, days.date_day
from (
    select product_id, location_code from {{ ref('stg_files__inventory_events') }}
    where product_id in ({{ changed('stg_files__inventory_events', 'product_id') }})
    union
    select product_id, location_code from {{ this }}
    where product_id in ({{ changed('stg_files__inventory_events', 'product_id') }})
) as pairs
cross join (
    select date_day from {{ ref('int_days_spined') }}
    union
    select date_day from {{ this }}
) as days
where days.date_day >= (
    select min({{ to_local_date('occurred_at', reporting_timezone()) }})
    from ({{ changed('stg_files__inventory_events', 'occurred_at') }}) as moved
)
union all
select pairs.product_id, pairs.location_code, days.date_day
from (
    select product_id, location_code from {{ ref('stg_files__inventory_events') }}
    union
    select product_id, location_code from {{ this }}
) as pairs
cross join (
    select days.date_day
    from (
        select date_day from {{ ref('int_days_spined') }}
        union
        select date_day from {{ this }}
    ) as days
    cross join {{ ref('int_calendar_bounds_derived') }} as bounds
    cross join (select min(date_day) as first_day, max(date_day) as last_day from {{ this }}) as held
    where
        days.date_day < coalesce(greatest(held.first_day, bounds.first_date), days.date_day + 1)
        or days.date_day > least(held.last_day, bounds.as_of_date)
) as days
{% endcall %}

movements as (
    select
        *,
        {{ to_local_date('occurred_at', reporting_timezone()) }} as movement_date
    from {{ ref('stg_files__inventory_events') }}
    where {{ is_touched('product_id') }}
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

first_days as (
    select
        movements_by_day.product_id,
        movements_by_day.location_code,
        bounds.as_of_date,
        min(movements_by_day.movement_date) as first_movement_date,
        {% if is_incremental() %}
        greatest(max(bounds.first_date), min(touched.date_day)) as first_date
        {% else %}
        max(bounds.first_date) as first_date
        {% endif %}
    from movements_by_day
    cross join bounds
    {% if is_incremental() %}
    inner join (
        select
            product_id,
            location_code,
            min(date_day) as date_day
        from touched
        group by product_id, location_code
    ) as touched
        on
            movements_by_day.product_id = touched.product_id
            and movements_by_day.location_code = touched.location_code
    {% endif %}
    group by movements_by_day.product_id, movements_by_day.location_code, bounds.as_of_date
),

-- Stock from before the shop's first day is there on that day, without its history.
stock_before as (
    select
        first_days.product_id,
        first_days.location_code,
        first_days.first_movement_date,
        first_days.first_date,
        first_days.as_of_date,
        sum(
            case
                when movements_by_day.movement_date < first_days.first_date then movements_by_day.net_quantity
                else 0
            end
        ) as quantity_before
    from first_days
    inner join movements_by_day
        on
            first_days.product_id = movements_by_day.product_id
            and first_days.location_code = movements_by_day.location_code
    group by
        first_days.product_id,
        first_days.location_code,
        first_days.first_movement_date,
        first_days.first_date,
        first_days.as_of_date
),

calendar as (
    select
        stock_before.product_id,
        stock_before.location_code,
        stock_before.quantity_before,
        days.date_day
    from stock_before
    inner join days
        on
            stock_before.first_movement_date <= days.date_day
            and stock_before.first_date <= days.date_day
            and stock_before.as_of_date >= days.date_day
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
    where {{ is_touched(['product_id', 'location_code', 'date_day']) }}
)

select * from final
