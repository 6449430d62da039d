with

dates as (
    select * from {{ ref('dim_dates') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

final as (
    select distinct
        dates.month_start_date,
        dates.month_end_date
    from dates
    inner join bounds
        on
            dates.date_day >= bounds.first_date
            and dates.month_end_date <= bounds.as_of_date
)

select * from final
