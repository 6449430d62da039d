-- One row per source table that has an agreed limit, as the last check found it. Ages are those of the check.
with

checks as (
    select * from {{ ref('stg_ops__source_freshness') }}
),

checks_from_the_last as (
    select
        *,
        row_number() over (
            partition by source, table_name
            order by checked_at desc, check_key asc
        ) as check_from_the_last
    from checks
),

final as (
    select
        -- keys
        source || '.' || table_name as source_table,

        -- attributes
        source,
        table_name,
        status,
        {{ dbt.cast(seconds_between('loaded_at', 'checked_at') ~ ' / 60.0', 'double precision') }} as age_minutes,
        warn_after_minutes,
        error_after_minutes,

        -- flags
        status != 'pass' as is_late,

        -- timestamps
        loaded_at,
        checked_at
    from checks_from_the_last
    where check_from_the_last = 1
)

select * from final
