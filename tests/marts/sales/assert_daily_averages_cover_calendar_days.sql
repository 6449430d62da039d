-- If this fails, a 7-day average covers 7 rows that are not 7 days, or is shown before 7 days have passed.
with

daily_sales as (
    select
        *,
        {{ dbt.dateadd('day', -6, 'date_day') }} as seventh_day,
        {{ dbt.dateadd('day', -29, 'date_day') }} as thirtieth_day
    from {{ ref('agg_daily_sales') }}
),

recounted as (
    select
        daily_sales.date_day,
        daily_sales.net_sales_7_day_average,
        daily_sales.net_sales_30_day_average,
        count(case when daily_sales.seventh_day <= earlier.date_day then 1 end) as days_of_7,
        sum(case when daily_sales.seventh_day <= earlier.date_day then earlier.net_sales end) as sum_of_7,
        count(*) as days_of_30,
        sum(earlier.net_sales) as sum_of_30
    from daily_sales
    inner join daily_sales as earlier
        on
            daily_sales.thirtieth_day <= earlier.date_day
            and daily_sales.date_day >= earlier.date_day
    group by daily_sales.date_day, daily_sales.net_sales_7_day_average, daily_sales.net_sales_30_day_average
)

select * from recounted
where
    (days_of_7 < 7 and net_sales_7_day_average is not null)
    or (days_of_7 = 7 and coalesce(abs(net_sales_7_day_average - sum_of_7 / 7.0) > 0.0001, true))
    or (days_of_30 < 30 and net_sales_30_day_average is not null)
    or (days_of_30 = 30 and coalesce(abs(net_sales_30_day_average - sum_of_30 / 30.0) > 0.0001, true))
