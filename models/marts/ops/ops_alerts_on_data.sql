-- One row per source table whose newest rejected rows are too many.
with

rejected_rows as (
    select * from {{ ref('ops_rejected_rows') }}
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

final as (
    select
        'rejected:' || source_table as alert_key,
        'error' as severity,
        'A load brought ' || rows_in_load || ' rows of ' || source_table || ' that cannot be trusted' as title,
        'The first: ' || reject_reason || ' in ' || row_key || ' ' || coalesce(row_json, '') as detail
    from rejected_rows_numbered
    where row_from_the_last = 1 and rows_in_load >= {{ var('alert_rejected_rows') }}
)

select * from final
