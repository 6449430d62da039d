-- One row per run. A dbt command that somebody ran by hand is a run of its own, named after its invocation.
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

-- dbt commands of a run are part of its build step already.
all_steps as (
    select
        run_id,
        step,
        exit_code,
        detail,
        started_at,
        finished_at
    from steps

    union all

    select
        invocation_id as run_id,
        'dbt ' || command || ' by hand' as step,
        case when nodes_failed > 0 then 1 when nodes_failed = 0 then 0 end as exit_code,
        cast(null as {{ engine_type('text') }}) as detail,
        started_at,
        finished_at
    from invocations
    where run_id is null
),

-- A step may be tried again within a run: what counts is how it ended last.
steps_from_the_last as (
    select
        *,
        row_number() over (partition by run_id, step order by started_at desc) as attempt_from_the_last
    from all_steps
),

steps_by_run as (
    select
        run_id,
        count(*) as steps,
        count(case when exit_code is null then 1 end) as steps_unfinished,
        count(case when exit_code != 0 then 1 end) as steps_failed,
        min(case when exit_code != 0 or exit_code is null then step end) as failed_step,
        min(case when exit_code != 0 then detail end) as failure,
        max(case when step = 'publish' and exit_code = 0 then detail end) as published_state,
        min(started_at) as started_at,
        max(finished_at) as finished_at
    from steps_from_the_last
    where attempt_from_the_last = 1
    group by run_id
),

outcomes as (
    select
        run_id,
        case when resource_type in ('test', 'unit_test') then 'test' else 'model' end as kind,
        case when status in ('pass', 'success') then 'good' when status = 'warn' then 'warn' else 'bad' end as outcome
    from results
    where status not in ('skipped', 'no-op')
),

outcomes_by_run as (
    select
        run_id,
        count(case when kind = 'model' and outcome = 'good' then 1 end) as models_built,
        count(case when kind = 'test' and outcome = 'good' then 1 end) as tests_passed,
        count(case when kind = 'test' and outcome = 'warn' then 1 end) as tests_warned,
        count(case when kind = 'test' and outcome = 'bad' then 1 end) as tests_failed
    from outcomes
    group by run_id
),

final as (
    select
        -- keys
        steps_by_run.run_id,

        -- attributes
        case
            when steps_by_run.steps_failed > 0 then 'failed'
            when steps_by_run.steps_unfinished > 0 then 'unfinished'
            else 'succeeded'
        end as outcome,
        steps_by_run.failed_step,
        steps_by_run.failure,
        steps_by_run.published_state,

        -- amounts
        steps_by_run.steps,
        outcomes_by_run.models_built,
        outcomes_by_run.tests_passed,
        outcomes_by_run.tests_warned,
        outcomes_by_run.tests_failed,

        -- timestamps
        steps_by_run.started_at,
        steps_by_run.finished_at
    from steps_by_run
    left join outcomes_by_run on steps_by_run.run_id = outcomes_by_run.run_id
)

select * from final
