-- One row per row of raw that staging cannot trust. Empty is good, and a row leaves by itself once it is mended.
-- Personal data and unreadable lines stay in raw: the key says where to look.
{%- set tables = [
    {'name': 'shop.stores', 'key': ['store_id']},
    {'name': 'shop.customers', 'key': ['customer_id']},
    {'name': 'shop.suppliers', 'key': ['supplier_id']},
    {'name': 'shop.products', 'key': ['product_id']},
    {'name': 'shop.orders', 'key': ['order_id']},
    {'name': 'shop.order_items', 'key': ['order_item_id']},
    {'name': 'shop.inventory_levels', 'key': ['product_id', 'location_code']},
    {'name': 'api.payments', 'key': ['payment_id']},
    {'name': 'api.refunds', 'key': ['refund_id']},
    {'name': 'api.fx_rates', 'key': ['rate_date', 'currency']},
    {'name': 'api.campaign_spend', 'key': ['spend_date', 'channel', 'campaign']},
    {'name': 'api.sessions', 'key': ['session_id']},
    {'name': 'files.clickstream', 'entities': 'clickstream_events', 'key': ['file_path', 'line_number']},
    {'name': 'files.inventory_events', 'key': ['file_path', 'line_number']},
    {'name': 'files.supplier_prices', 'key': ['file_path', 'line_number']},
] %}

with

rejected as (
    {% for table in tables %}
    {% set source_name, table_name = table.name.split('.') %}
    select
        '{{ table.name }}' as source_table,
        {{ json_object_text(table.key) }} as row_key,
        reject_reason,
        row_json,
        _dlt_load_id as load_id
    from {{ ref('base_' ~ source_name ~ '__' ~ (table.entities or table_name)) }}
    where reject_reason is not null
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- The same row may have arrived twice.
numbered as (
    select
        *,
        row_number() over (
            partition by source_table, row_key, load_id, row_json
            order by reject_reason
        ) as copy_number
    from rejected
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['source_table', 'row_key', 'load_id', 'row_json', 'copy_number']) }}
            as rejected_row_key,
        source_table,
        row_key,

        -- attributes
        reject_reason,
        row_json,

        -- load metadata
        load_id
    from numbered
)

select * from final
