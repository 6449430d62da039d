with

dates as (
    select * from {{ ref('dim_dates') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

final as (
    select
        dates.month_start_date,
        max(dates.date_day) as as_of_date,
        max(dates.date_day) = max(bounds.as_of_date) as is_latest
    from dates
    inner join bounds on dates.date_day between bounds.first_date and bounds.as_of_date
    group by dates.month_start_date
)

select * from final
