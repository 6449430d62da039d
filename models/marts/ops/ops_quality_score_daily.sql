-- One row per day (UTC) and quality area, and one named overall. A day without tests has no row.
with

tests as (
    select
        quality_area,
        test_id as check_id,
        status,
        tested_at as checked_at
    from {{ ref('ops_test_results') }}
),

freshness as (
    select
        'timeliness' as quality_area,
        source || '.' || table_name as check_id,
        status,
        checked_at
    from {{ ref('stg_ops__source_freshness') }}
),

all_checks as (
    select * from tests

    union all

    select * from freshness
),

-- What counts for a day is the last word of each test on that day.
checks_from_the_last as (
    select
        *,
        cast(checked_at as date) as date_day,
        row_number() over (
            partition by check_id, cast(checked_at as date)
            order by checked_at desc, status asc
        ) as check_from_the_last
    from all_checks
),

points as (
    select
        date_day,
        quality_area,
        case when status in ('pass', 'success') then 1.0 when status = 'warn' then 0.5 else 0.0 end as points
    from checks_from_the_last
    where check_from_the_last = 1
),

points_with_overall as (
    select * from points

    union all

    select
        date_day,
        'overall' as quality_area,
        points
    from points
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['date_day', 'quality_area']) }} as quality_score_key,

        -- attributes
        date_day,
        quality_area,

        -- amounts
        count(*) as checks,
        count(case when points = 1 then 1 end) as checks_passed,
        count(case when points = 0.5 then 1 end) as checks_warned,
        count(case when points = 0 then 1 end) as checks_failed,
        cast({{ quotient('100 * sum(points)', 'count(*)', 2) }} as decimal(5, 2)) as score_pct
    from points_with_overall
    group by date_day, quality_area
)

select * from final
