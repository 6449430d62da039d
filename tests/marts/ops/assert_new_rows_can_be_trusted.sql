-- When most of what a load brought is rejected, a field was renamed or its meaning changed: figures built without
-- these rows look calm and are wrong, so they are not published. Only the newest load of a table that brought anything
-- counts. The way out: mend staging, or the source, then `make replay`. One row per table.
with

loads as (
    select
        *,
        row_number() over (
            partition by source_table
            order by started_at desc
        ) as load_from_the_last
    from {{ ref('ops_load_reconciliation') }}
    where rows_loaded + rows_unreadable > 0
)

select
    source_table,
    load_id,
    rows_loaded,
    rows_unreadable,
    rows_rejected,
    new_columns,
    missing_columns
from loads
where
    load_from_the_last = 1
    and rows_rejected >= 3
    and rows_rejected * 2 > rows_loaded + rows_unreadable
