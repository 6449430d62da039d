with

source as (
    select * from {{ source('ops', 'table_loads') }}
),

renamed as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['load_id', 'source', 'table_name']) }} as table_load_key,
        run_id,
        load_id,

        -- attributes
        source || '.' || table_name as source_table,
        watermark_before,
        watermark_after,
        new_columns,
        missing_columns,

        -- amounts
        rows_read,
        rows_loaded,
        rows_rejected as rows_unreadable,
        rows_unchanged,
        bytes as bytes_loaded,
        seconds_reading,
        lag_seconds,

        -- timestamps
        started_at
    from source
)

select * from renamed
