-- One row per day, from the first order's day to the end of the year. Holidays are the days that move a shop's sales
-- everywhere; national holidays are not among them.
with

days as (
    select * from {{ ref('int_days_spined') }}
),

parts as (
    select
        date_day,
        cast(extract(year from date_day) as integer) as year_number,
        cast(extract(month from date_day) as integer) as month_number,
        cast(extract(day from date_day) as integer) as day_of_month,
        {{ iso_day_of_week('date_day') }} as day_of_week
    from days
),

-- Black Friday follows the fourth Thursday of November: the 23rd to the 29th. Cyber Monday is three days later.
named as (
    select
        *,
        case
            when month_number = 1 and day_of_month = 1 then 'New Year''s Day'
            when month_number = 2 and day_of_month = 14 then 'Valentine''s Day'
            when month_number = 11 and day_of_week = 5 and day_of_month between 23 and 29 then 'Black Friday'
            when month_number = 11 and day_of_week = 1 and day_of_month between 26 and 30 then 'Cyber Monday'
            when month_number = 12 and day_of_week = 1 and day_of_month between 1 and 2 then 'Cyber Monday'
            when month_number = 12 and day_of_month = 24 then 'Christmas Eve'
            when month_number = 12 and day_of_month = 25 then 'Christmas Day'
            when month_number = 12 and day_of_month = 26 then 'Second Christmas Day'
            when month_number = 12 and day_of_month = 31 then 'New Year''s Eve'
        end as holiday_name
    from parts
),

final as (
    select
        -- keys
        date_day,

        -- attributes
        year_number as calendar_year,
        cast(extract(quarter from date_day) as integer) as calendar_quarter,
        month_number as calendar_month,
        cast({{ dbt.date_trunc('month', 'date_day') }} as date) as month_start_date,
        cast({{ dbt.last_day('date_day', 'month') }} as date) as month_end_date,
        {{ iso_year('date_day') }} as iso_year,
        {{ iso_week('date_day') }} as iso_week,
        cast({{ dbt.date_trunc('week', 'date_day') }} as date) as week_start_date,
        day_of_month,
        day_of_week,
        holiday_name,

        -- flags
        day_of_week >= 6 as is_weekend,
        holiday_name is not null as is_holiday
    from named
)

select * from final
