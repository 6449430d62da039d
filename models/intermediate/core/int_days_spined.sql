{% set limits = time_limits() %}

with

bounds as (
    select
        calendar_start_date,
        greatest(as_of_date, last_date) as last_date
    from {{ ref('int_calendar_bounds_derived') }}
),

-- The spine wants literal ends; the days that the shop needs are cut out of it.
spine as (
    {{ dbt_utils.date_spine(
        datepart='day',
        start_date="cast('" ~ limits.first_day ~ "' as date)",
        end_date="cast('" ~ limits.end_day ~ "' as date)",
    ) }}
),

final as (
    select cast(spine.date_day as date) as date_day
    from spine
    inner join bounds
        on
            spine.date_day >= bounds.calendar_start_date
            and extract(year from spine.date_day) <= extract(year from bounds.last_date)
)

select * from final
