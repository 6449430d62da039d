with

source as (
    select * from {{ source('ops', 'dbt_results') }}
),

renamed as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['invocation_id', 'unique_id']) }} as result_key,
        invocation_id,
        run_id,
        unique_id,

        -- attributes
        resource_type,
        name,
        test_kind,
        model as model_name,
        column_name,
        severity,
        quality_area,
        status,
        failures,
        message,
        seconds,

        -- timestamps
        started_at
    from source
    where resource_type in ('model', 'seed', 'snapshot', 'test', 'unit_test')
)

select * from renamed
