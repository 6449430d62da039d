-- If this fails, the shop, its checkout, its payments or a load was down: people came, and nobody could buy or pay, or
-- nobody loaded what they bought or paid. Published, it would be a revenue of 0. Told of the last seven full days, when
-- their visits usually bring 30 orders (payments) or more: chance brings none of them not once in a million times.
-- An outage that was real is no reason to hold the figures back for ever: name its days in `closed_days`.
with

bounds as (
    select
        as_of_date,
        {{ dbt.dateadd('day', -7, 'as_of_date') }} as judged_from,
        {{ dbt.dateadd('day', -91, 'as_of_date') }} as compared_from
    from {{ ref('int_calendar_bounds_derived') }}
),

visits_by_day as (
    select
        session_date,
        count(*) as visits
    from {{ ref('fct_sessions') }}
    group by session_date
),

payments_by_day as (
    select
        payment_date,
        count(*) as payments
    from {{ ref('fct_payments') }}
    where signed_amount > 0
    group by payment_date
),

days as (
    select
        daily_sales.date_day,
        visits_by_day.visits,
        daily_sales.orders,
        coalesce(payments_by_day.payments, 0) as payments,
        daily_sales.date_day >= bounds.judged_from as is_judged
    from {{ ref('agg_daily_sales') }} as daily_sales
    inner join bounds
        on daily_sales.date_day >= bounds.compared_from and daily_sales.date_day < bounds.as_of_date
    inner join visits_by_day on daily_sales.date_day = visits_by_day.session_date
    left join payments_by_day on daily_sales.date_day = payments_by_day.payment_date
    where {{ is_open('daily_sales.date_day') }}
),

-- What a visit brings, in the twelve weeks before the days that are judged.
usual as (
    select
        sum(orders) * 1.0 / sum(visits) as orders_per_visit,
        sum(payments) * 1.0 / sum(visits) as payments_per_visit
    from days
    where not is_judged
    having count(*) >= 28
),

expected as (
    select
        days.*,
        sum(case when days.orders = 0 then days.visits * usual.orders_per_visit end) over ()
            as orders_expected_of_days_without,
        sum(case when days.payments = 0 then days.visits * usual.payments_per_visit end) over ()
            as payments_expected_of_days_without
    from days
    cross join usual
    where days.is_judged
)

select * from expected
where
    (orders = 0 and orders_expected_of_days_without >= 30)
    or (payments = 0 and payments_expected_of_days_without >= 30)
