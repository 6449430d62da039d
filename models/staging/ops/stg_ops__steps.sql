with

source as (
    select * from {{ source('ops', 'steps') }}
),

renamed as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['run_id', 'step', 'started_at']) }} as step_key,
        run_id,

        -- attributes
        step,
        exit_code,
        detail,

        -- timestamps
        started_at,
        finished_at
    from source
)

select * from renamed
