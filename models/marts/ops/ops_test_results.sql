-- One row per test and invocation. A test that is repeated within a run stands here more than once.
with

results as (
    select * from {{ ref('stg_ops__dbt_results') }}
),

final as (
    select
        -- keys
        result_key as test_result_key,
        invocation_id,
        run_id,
        unique_id as test_id,

        -- attributes
        name as test_name,
        test_kind,
        model_name,
        column_name,
        severity,
        case
            when quality_area is not null then quality_area
            when test_kind in ('not_null', 'not_null_proportion', 'at_least_one', 'expect_column_values_to_not_be_null')
                then 'completeness'
            when test_kind like 'expect_table_row_count%' then 'completeness'
            when test_kind like '%unique%' then 'uniqueness'
            when test_kind like '%recen%' then 'timeliness'
            when test_kind in ('accepted_values', 'accepted_range') then 'validity'
            when test_kind like 'expect_column_value%' then 'validity'
            else 'consistency'
        end as quality_area,
        status,
        failures,
        message,
        seconds,

        -- flags
        status in ('pass', 'success') as is_passed,

        -- timestamps
        started_at as tested_at
    from results
    where
        resource_type = 'test'
        and status in ('pass', 'success', 'warn', 'fail', 'error', 'runtime error')
)

select * from final
