-- If this fails, the shop, its checkout or the load of its orders was down: people came and nobody could buy, or nobody
-- loaded what they bought. Told of the last seven full days, if each of the twelve same weekdays before sold something.
-- A warning: the outage may be real, and then the numbers are right and have to be published all the same.
{{ config(severity='warn') }}

with

bounds as (
    select
        as_of_date,
        {{ dbt.dateadd('day', -7, 'as_of_date') }} as judged_from
    from {{ ref('int_calendar_bounds_derived') }}
),

visits_by_day as (
    select
        session_date,
        count(*) as visits
    from {{ ref('fct_sessions') }}
    group by session_date
),

days as (
    select
        daily_sales.date_day,
        daily_sales.orders,
        count(*) over (
            partition by dates.day_of_week order by daily_sales.date_day rows between 12 preceding and 1 preceding
        ) as days_before,
        min(daily_sales.orders) over (
            partition by dates.day_of_week order by daily_sales.date_day rows between 12 preceding and 1 preceding
        ) as least_orders_before
    from {{ ref('agg_daily_sales') }} as daily_sales
    inner join {{ ref('dim_dates') }} as dates on daily_sales.date_day = dates.date_day
)

select
    days.*,
    visits_by_day.visits
from days
inner join visits_by_day on days.date_day = visits_by_day.session_date
inner join bounds on days.date_day >= bounds.judged_from and days.date_day < bounds.as_of_date
where
    days.orders = 0
    and days.days_before = 12
    and days.least_orders_before >= 2
