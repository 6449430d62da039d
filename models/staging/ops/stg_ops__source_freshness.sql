with

source as (
    select * from {{ source('ops', 'source_freshness') }}
),

renamed as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['invocation_id', 'unique_id']) }} as check_key,
        invocation_id,
        run_id,

        -- attributes
        source,
        table_name,
        status,
        warn_after_minutes,
        error_after_minutes,

        -- timestamps
        loaded_at,
        checked_at
    from source
)

select * from renamed
