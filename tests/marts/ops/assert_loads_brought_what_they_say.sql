-- Rows that a load says it brought and raw does not have were lost without a word. Of every table the newest load that
-- brought anything is looked at: what an earlier one brought may have changed since. Fewer rows are right where records
-- may come twice in one load, on two pages of the API, and where old clicks are deleted. One row per differing table.
{%- set tables = [
    'shop.stores', 'shop.customers', 'shop.suppliers', 'shop.products', 'shop.orders', 'shop.order_items',
    'shop.inventory_levels', 'api.payments', 'api.refunds', 'api.fx_rates', 'api.campaign_spend', 'api.sessions',
    'files.clickstream', 'files.inventory_events', 'files.supplier_prices', 'stream.inventory_events',
] %}

with

newest as (
    select
        source_table,
        max(load_id) as load_id
    from {{ ref('stg_ops__table_loads') }}
    where rows_loaded + rows_unreadable > 0
    group by source_table
),

in_raw as (
    {% for table in tables %}
    select
        '{{ table }}' as source_table,
        _dlt_load_id as load_id,
        count(*) as raw_rows
    from {{ source(*table.split('.')) }}
    group by _dlt_load_id
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    loads.source_table,
    loads.load_id,
    loads.rows_loaded,
    loads.rows_unreadable,
    in_raw.raw_rows
from {{ ref('stg_ops__table_loads') }} as loads
inner join newest on loads.source_table = newest.source_table and loads.load_id = newest.load_id
left join in_raw on loads.source_table = in_raw.source_table and loads.load_id = in_raw.load_id
where
    loads.source_table in ('{{ tables | join("', '") }}')
    and (
        coalesce(in_raw.raw_rows, 0) > loads.rows_loaded + loads.rows_unreadable
        or (
            coalesce(in_raw.raw_rows, 0) < loads.rows_loaded + loads.rows_unreadable
            and loads.source_table not like 'api.%'
            and loads.source_table <> 'files.clickstream'
        )
    )
