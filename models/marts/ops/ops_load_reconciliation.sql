-- One row per load and table of raw. Trusted and rejected rows are those of the load that raw still has as they came:
-- a row that a later load changed counts there.
with

loads as (
    select * from {{ ref('stg_ops__table_loads') }}
),

rejected_by_load as (
    select
        source_table,
        load_id,
        count(*) as rows_rejected
    from {{ ref('ops_rejected_rows') }}
    group by source_table, load_id
),

with_previous as (
    select
        *,
        lag(missing_columns) over (
            partition by source_table
            order by started_at, load_id
        ) as missing_columns_before
    from loads
),

final as (
    select
        -- keys
        with_previous.table_load_key,
        with_previous.run_id,
        with_previous.load_id,
        with_previous.source_table,

        -- attributes
        with_previous.watermark_before,
        with_previous.watermark_after,
        with_previous.new_columns,
        with_previous.missing_columns,

        -- amounts
        with_previous.rows_read,
        with_previous.rows_loaded,
        with_previous.rows_unreadable,
        with_previous.rows_unchanged,
        coalesce(rejected_by_load.rows_rejected, 0) as rows_rejected,
        with_previous.bytes_loaded,
        with_previous.seconds_reading,
        with_previous.lag_seconds,

        -- flags
        with_previous.new_columns is not null
        or coalesce(with_previous.missing_columns, '') <> coalesce(with_previous.missing_columns_before, '')
            as is_schema_changed,

        -- timestamps
        with_previous.started_at
    from with_previous
    -- Messages of Kafka are judged together with the files of the same events.
    left join rejected_by_load
        on
            with_previous.load_id = rejected_by_load.load_id
            and case
                when with_previous.source_table = 'stream.inventory_events' then 'files.inventory_events'
                else with_previous.source_table
            end = rejected_by_load.source_table
)

select * from final
