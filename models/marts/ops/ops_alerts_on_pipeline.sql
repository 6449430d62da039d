-- One row per thing that is wrong with the pipeline now. It leaves by itself when the thing is mended.
with

steps as (
    select * from {{ ref('stg_ops__steps') }}
),

invocations as (
    select * from {{ ref('stg_ops__dbt_invocations') }}
),

results as (
    select * from {{ ref('stg_ops__dbt_results') }}
),

freshness as (
    select * from {{ ref('ops_freshness') }}
),

steps_from_the_last as (
    select
        *,
        row_number() over (partition by step order by started_at desc, run_id desc) as attempt_from_the_last
    from steps
),

-- A failed step is open until the same step succeeds: a backup that went well says nothing about the build.
failed_steps as (
    select
        'step:' || step as alert_key,
        'error' as severity,
        'Step ' || step || ' failed' as title,
        detail
    from steps_from_the_last
    where attempt_from_the_last = 1 and exit_code != 0
),

-- A command that built only a part says nothing about the rest.
last_whole_build as (
    select max(started_at) as started_at
    from invocations
    where nodes_left_out = 0
),

results_since as (
    select
        results.*,
        row_number() over (
            partition by results.unique_id
            order by invocations.started_at desc, invocations.invocation_id desc
        ) as result_from_the_last
    from results
    inner join invocations on results.invocation_id = invocations.invocation_id
    inner join last_whole_build on invocations.started_at >= last_whole_build.started_at
    where results.status != 'skipped'
),

failed_nodes as (
    select
        resource_type || ':' || name as alert_key,
        case when status = 'warn' then 'warn' else 'error' end as severity,
        case
            when failures > 0 then 'Test ' || name || ' found ' || failures || ' rows'
            when resource_type in ('test', 'unit_test') then 'Test ' || name || ' failed'
            else 'Model ' || name || ' failed'
        end as title,
        message as detail
    from results_since
    where result_from_the_last = 1 and status not in ('pass', 'success', 'no-op')
),

late_sources as (
    select
        'late:' || source_table as alert_key,
        case when status = 'warn' then 'warn' else 'error' end as severity,
        'Nothing new in ' || source_table || ' since ' || cast(loaded_at as {{ engine_type('text') }}) as title,
        'Agreed are ' || warn_after_minutes || ' minutes.' as detail
    from freshness
    where is_late
),

final as (
    select * from failed_steps

    union all

    select * from failed_nodes

    union all

    select * from late_sources
)

select * from final
