with

source as (
    select * from {{ source('ops', 'dbt_invocations') }}
),

notes_by_invocation as (
    select
        invocation_id,
        max(command) as command,
        max(run_id) as run_id,
        max(nodes_failed) as nodes_failed,
        max(nodes_left_out) as nodes_left_out,
        min(noted_at) as started_at,
        max(case when event = 'finished' then noted_at end) as finished_at
    from source
    group by invocation_id
),

renamed as (
    select
        -- keys
        invocation_id,
        run_id,

        -- attributes
        command,
        nodes_failed,
        nodes_left_out,

        -- timestamps
        started_at,
        finished_at
    from notes_by_invocation
)

select * from renamed
