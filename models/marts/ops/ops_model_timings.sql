-- One row per model, seed or snapshot and invocation. Compare seconds with usual_seconds to see what became slow.
with

results as (
    select * from {{ ref('stg_ops__dbt_results') }}
),

compared as (
    select
        *,
        cast(
            row_number() over (partition by invocation_id order by seconds desc, unique_id asc) as bigint
        ) as rank_in_invocation,
        avg(seconds) over (
            partition by unique_id
            order by started_at, invocation_id
            rows between 10 preceding and 1 preceding
        ) as usual_seconds
    from results
    where resource_type in ('model', 'seed', 'snapshot') and status = 'success'
),

final as (
    select
        -- keys
        result_key as model_timing_key,
        invocation_id,
        run_id,

        -- attributes
        name as model_name,
        resource_type,
        rank_in_invocation,

        -- amounts
        seconds,
        usual_seconds,

        -- timestamps
        started_at
    from compared
)

select * from final
