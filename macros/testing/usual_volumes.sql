{#
    A query of the last full days: how many rows each has, and how many its weekday usually has. The yardstick is robust:
    the median of the same weekday in the weeks before, and the median distance from it, which one Black Friday does not
    move. Days without rows count as 0; as_of_date itself may not be over and is left out, as are days that say less than
    all these weeks do, and the `closed_days` of dbt_project.yml.
#}
{% macro usual_volumes(model, date_column, days=7, weeks=12) %}
with

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

rows_by_day as (
    select
        {{ date_column }} as date_day,
        count(*) as volume
    from {{ model }}
    group by {{ date_column }}
),

volumes as (
    select
        dates.date_day,
        dates.day_of_week,
        coalesce(rows_by_day.volume, 0) as volume,
        dates.date_day >= {{ dbt.dateadd('day', -days, 'bounds.as_of_date') }} and {{ is_open('dates.date_day') }} as is_judged
    from {{ ref('dim_dates') }} as dates
    inner join bounds on dates.date_day >= bounds.first_date and dates.date_day < bounds.as_of_date
    left join rows_by_day on dates.date_day = rows_by_day.date_day
),

compared as (
    select
        judged.date_day,
        judged.volume,
        earlier.volume as earlier_volume
    from volumes as judged
    inner join volumes as earlier
        on
            judged.day_of_week = earlier.day_of_week
            and judged.date_day > earlier.date_day
            and earlier.date_day >= {{ dbt.dateadd('day', -7 * weeks, 'judged.date_day') }}
    where judged.is_judged
),

medians as (
    select
        date_day,
        percentile_cont(0.5) within group (order by earlier_volume) as usual_volume
    from compared
    group by date_day
    having count(*) = {{ weeks }}
)

select
    compared.date_day,
    compared.volume,
    medians.usual_volume,
    percentile_cont(0.5) within group (order by abs(compared.earlier_volume - medians.usual_volume)) as usual_distance
from compared
inner join medians on compared.date_day = medians.date_day
group by compared.date_day, compared.volume, medians.usual_volume
{% endmacro %}
