-- One row per source table with too many rejected rows, and per source table whose columns changed.
with

rejected_rows as (
    select * from {{ ref('ops_rejected_rows') }}
),

loads as (
    select * from {{ ref('ops_load_reconciliation') }}
),

rejected_rows_numbered as (
    select
        *,
        count(*) over (partition by source_table, load_id) as rows_in_load,
        row_number() over (
            partition by source_table
            order by load_id desc, row_key asc
        ) as row_from_the_last
    from rejected_rows
),

-- A few rows are many where the load brought hardly more.
loads_with_most_rows_rejected as (
    select
        source_table,
        load_id
    from loads
    where rows_rejected >= 3 and rows_rejected * 2 > rows_loaded + rows_unreadable
),

too_many_rejected_rows as (
    select
        'rejected:' || last_rows.source_table as alert_key,
        'error' as severity,
        'A load brought ' || last_rows.rows_in_load || ' rows of ' || last_rows.source_table
        || ' that cannot be trusted' as title,
        'The first: ' || last_rows.reject_reason || ' in ' || last_rows.row_key || ' '
        || coalesce(last_rows.row_json, '') as detail
    from rejected_rows_numbered as last_rows
    left join loads_with_most_rows_rejected as most
        on last_rows.source_table = most.source_table and last_rows.load_id = most.load_id
    where
        last_rows.row_from_the_last = 1
        and (last_rows.rows_in_load >= {{ var('alert_rejected_rows') }} or most.load_id is not null)
),

loads_from_the_last as (
    select
        *,
        row_number() over (
            partition by source_table
            order by started_at desc, load_id desc
        ) as load_from_the_last,
        lag(missing_columns) over (
            partition by source_table
            order by started_at, load_id
        ) as missing_columns_before
    from loads
),

changed_columns as (
    select
        'schema:' || source_table as alert_key,
        'warn' as severity,
        'The columns of ' || source_table || case
            when coalesce(new_columns, missing_columns) is null then ' are complete again'
            else ' changed'
        end as title,
        trim(
            coalesce('New: ' || new_columns || '. ', '')
            || coalesce('Missing: ' || missing_columns || '. ', '')
            || case
                when new_columns is not null then 'Was one renamed?'
                when missing_columns_before <> coalesce(missing_columns, '')
                    then 'Missing before: ' || missing_columns_before || '.'
                else ''
            end
        ) as detail
    from loads_from_the_last
    where load_from_the_last = 1 and is_schema_changed
),

final as (
    select * from too_many_rejected_rows

    union all

    select * from changed_columns
)

select * from final
