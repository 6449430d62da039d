{%- set reasons = {
    'sold': ('sale', -1), 'returned': ('return', 1), 'received': ('receipt', 1), 'adjusted': ('adjustment', 1),
    'transferred': ('transfer', 1),
} -%}
{%- set movement_date = to_local_date('events.occurred_at', reporting_timezone()) -%}

with

-- What moved is balanced anew from the first day that changed, everything else on the days that the calendar gained,
-- or on all days where the first one is another.
{% call touched(['product_id', 'date_day']) %}
select products.product_id, days.date_day
from ({{ changed('stg_files__inventory_events', 'product_id') }}) as products
cross join {{ ref('int_days_spined') }} as days
inner join {{ ref('int_calendar_bounds_derived') }} as bounds on days.date_day <= bounds.as_of_date
where days.date_day >= (
    select min({{ to_local_date('occurred_at', reporting_timezone()) }})
    from ({{ changed('stg_files__inventory_events', 'occurred_at') }}) as moved
)
union all
select products.product_id, days.date_day
from (
    -- Whatever had moved by the last day has a row on it.
    select held.product_id from {{ this }} as held
    where held.date_day = (select max(latest.date_day) from {{ this }} as latest)
    union
    select events.product_id from {{ ref('stg_files__inventory_events') }} as events
    where events.occurred_at >= (
        select
            coalesce({{ dbt.dateadd('day', -1, 'max(latest.date_day)') }}, cast('1000-01-01' as date))
        from {{ this }} as latest
    )
) as products
cross join (
    select days.date_day
    from {{ ref('int_days_spined') }} as days
    inner join {{ ref('int_calendar_bounds_derived') }} as bounds on days.date_day <= bounds.as_of_date
    cross join (select min(date_day) as first_day, max(date_day) as last_day from {{ this }}) as held
    cross join (
        select {{ to_local_date('min(occurred_at)', reporting_timezone()) }} as first_day
        from {{ ref('stg_files__inventory_events') }}
    ) as stock
    where
        days.date_day > held.last_day
        or held.first_day is distinct from greatest(bounds.first_date, stock.first_day)
) as days
union all
select held.product_id, held.date_day
from {{ this }} as held
inner join {{ ref('int_calendar_bounds_derived') }} as bounds
    on
        held.date_day < bounds.first_date
        or held.date_day > bounds.as_of_date
        -- Without any order there is no such day.
        or bounds.as_of_date is null
{% endcall %}

days as (
    select * from {{ ref('int_days_spined') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

{% if is_incremental() %}
-- The day before the first touched one, until which the stock of a product is as it was; null where that has to be
-- added up from the beginning.
settled as (
    select
        touched.product_id,
        case
            when min(touched.date_day) > greatest(min(bounds.first_date), min(held.first_day))
                then cast({{ dbt.dateadd('day', -1, 'min(touched.date_day)') }} as date)
        end as settled_until
    from touched
    cross join bounds
    cross join (select min(date_day) as first_day from {{ this }}) as held
    group by touched.product_id
),
{% endif %}

-- What is settled counts as one movement, so that a day's build reads the last days and not all of history.
movements as (
    select
        events.product_id,
        events.location_code,
        events.reason,
        events.quantity_delta,
        {{ movement_date }} as movement_date
    from {{ ref('stg_files__inventory_events') }} as events
    {% if is_incremental() %}
    inner join settled on events.product_id = settled.product_id
    where
        (
            settled.settled_until is null
            or (
                -- A local date costs a hundred times as much as comparing times: only the last days get one.
                events.occurred_at >= {{ dbt.dateadd('day', -1, 'settled.settled_until') }}
                and {{ movement_date }} > settled.settled_until
            )
        )
        -- The same for all products at once, so that only the last days are joined.
        and events.occurred_at >= (
            select {{ dbt.dateadd('day', -1, "min(coalesce(settled.settled_until, cast('1000-01-01' as date)))") }}
            from settled
        )
    union all
    select
        held.product_id,
        held.location_code,
        'settled' as reason,
        held.closing_quantity as quantity_delta,
        held.date_day as movement_date
    from {{ this }} as held
    inner join settled
        on
            held.product_id = settled.product_id
            and held.date_day = settled.settled_until
    {% endif %}
),

-- Sums are integers at once: DuckDB's own are four times as wide, in a table of one row per product and day.
movements_by_day as (
    select
        product_id,
        location_code,
        movement_date,
        {% for name, (reason, sign) in reasons.items() %}
        cast(sum(case when reason = '{{ reason }}' then {{ sign }} * quantity_delta else 0 end) as integer)
            as {{ name }}_quantity,
        {% endfor %}
        cast(sum(case when quantity_delta > 0 then quantity_delta else 0 end) as integer) as incoming_quantity,
        cast(sum(quantity_delta) as integer) as net_quantity
    from movements
    group by product_id, location_code, movement_date
),

-- Stock from before the shop's first day is there on that day, without its history.
stock_before as (
    select
        movements_by_day.product_id,
        movements_by_day.location_code,
        bounds.first_date,
        bounds.as_of_date,
        min(movements_by_day.movement_date) as first_movement_date,
        sum(
            case when movements_by_day.movement_date < bounds.first_date then movements_by_day.net_quantity else 0 end
        ) as quantity_before
    from movements_by_day
    cross join bounds
    group by
        movements_by_day.product_id,
        movements_by_day.location_code,
        bounds.first_date,
        bounds.as_of_date
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
        cast(
            calendar.quantity_before + coalesce(
                sum(movements_by_day.net_quantity) over (
                    partition by calendar.product_id, calendar.location_code
                    order by calendar.date_day
                    rows between unbounded preceding and current row
                ), 0
            ) as integer
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
    where {{ is_touched(['product_id', 'date_day']) }}
)

select * from final
{{ stored_by('date_day') }}
