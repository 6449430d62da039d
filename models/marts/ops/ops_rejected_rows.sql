-- One row per row of raw that staging cannot trust. Empty is good, and a row leaves by itself once it is mended.
-- Personal data and unreadable lines stay in raw: the key says where to look.
{%- set tables = [
    {'name': 'shop.stores', 'key': ['judged.store_id']},
    {'name': 'shop.customers', 'key': ['judged.customer_id']},
    {'name': 'shop.suppliers', 'key': ['judged.supplier_id']},
    {'name': 'shop.products', 'key': ['judged.product_id']},
    {'name': 'shop.orders', 'key': ['judged.order_id']},
    {'name': 'shop.order_items', 'key': ['judged.order_item_id'], 'belongs_to_an_order': true},
    {'name': 'shop.inventory_levels', 'key': ['judged.product_id', 'judged.location_code']},
    {'name': 'api.payments', 'key': ['judged.payment_id'], 'belongs_to_an_order': true, 'has_its_currency': true},
    {'name': 'api.refunds', 'key': ['judged.refund_id'], 'belongs_to_an_order': true, 'has_its_currency': true},
    {'name': 'api.fx_rates', 'key': ['judged.rate_date', 'judged.currency']},
    {'name': 'api.campaign_spend', 'key': ['judged.spend_date', 'judged.channel', 'judged.campaign']},
    {'name': 'api.sessions', 'key': ['judged.session_id']},
    {'name': 'files.clickstream', 'entities': 'clickstream_events', 'key': ['judged.file_path', 'judged.line_number']},
    {'name': 'files.inventory_events', 'key': ['judged.file_path', 'judged.line_number']},
    {'name': 'files.supplier_prices', 'key': ['judged.file_path', 'judged.line_number']},
] %}

with

orders as (
    select
        order_id,
        currency
    from {{ ref('stg_shop__orders') }}
),

rejected as (
    {% for table in tables %}
    {% set source_name, table_name = table.name.split('.') %}
    select
        '{{ table.name }}' as source_table,
        {{ json_object_text(table.key) }} as row_key,
        {% if table.belongs_to_an_order -%}
        coalesce(
            judged.reject_reason, case when orders.order_id is null then 'unknown_order' else 'other_currency' end
        ) as reject_reason,
        {%- else -%}
        judged.reject_reason,
        {%- endif %}
        judged.row_json,
        judged._dlt_load_id as load_id
    from {{ ref('base_' ~ source_name ~ '__' ~ (table.entities or table_name)) }} as judged
    {% if table.belongs_to_an_order -%}
    left join orders on judged.order_id = orders.order_id
    {% endif -%}
    where
        judged.reject_reason is not null
        {{ 'or orders.order_id is null' if table.belongs_to_an_order }}
        {{ 'or judged.currency <> orders.currency' if table.has_its_currency }}
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
