-- A row that is neither in staging nor among the rejected ones was lost without a word. What staging leaves out for a
-- good reason is counted: older versions of a key, second deliveries, and rows that the shop deleted for good.
{%- set tables = [
    {'name': 'shop.stores', 'key': 'store_id'},
    {'name': 'shop.customers', 'key': 'customer_id'},
    {'name': 'shop.suppliers', 'key': 'supplier_id'},
    {'name': 'shop.products', 'key': 'product_id'},
    {'name': 'shop.orders', 'key': 'order_id'},
    {'name': 'shop.order_items', 'key': 'order_item_id', 'existing': 'order_item_keys', 'belongs_to_an_order': true},
    {'name': 'shop.inventory_levels', 'key': 'product_id, location_code', 'existing': 'inventory_level_keys'},
    {'name': 'api.payments', 'key': 'payment_id', 'belongs_to_an_order': true, 'has_its_currency': true},
    {'name': 'api.refunds', 'key': 'refund_id', 'belongs_to_an_order': true, 'has_its_currency': true},
    {'name': 'api.fx_rates', 'key': 'rate_date, currency'},
    {'name': 'api.campaign_spend', 'key': 'spend_date, channel, campaign'},
    {'name': 'api.sessions', 'key': 'session_id'},
    {'name': 'files.clickstream', 'entities': 'clickstream_events', 'key': 'event_id'},
    {'name': 'files.inventory_events', 'key': 'event_id', 'also_from': 'stream'},
    {'name': 'files.supplier_prices', 'key': 'sku, supplier_id, valid_from'},
] %}

with

rejected_by_table as (
    select
        source_table,
        count(*) as rejected_rows
    from {{ ref('ops_rejected_rows') }}
    group by source_table
),

counted as (
    {% for table in tables %}
    {% set source_name, table_name = table.name.split('.') %}
    {% set entities = source_name ~ '__' ~ (table.entities or table_name) %}
    {% set existing = source(source_name, table.existing) if table.existing else ref('base_' ~ entities) %}
    select
        '{{ table.name }}' as source_table,
        (
            select count(*) from {{ source(source_name, table_name) }}
        ) + (
            {% if table.also_from -%}
            select count(*) from {{ source(table.also_from, table_name) }}
            {%- else -%}
            select 0
            {%- endif %}
        ) as raw_rows,
        (select count(*) from {{ ref('stg_' ~ entities) }}) as staging_rows,
        count(*) filter (where is_existing) as existing_keys,
        coalesce(sum(copies) filter (where is_existing), 0) as existing_rows,
        coalesce(sum(copies) filter (where not is_existing), 0) as deleted_rows
    from (
        select
            ({{ table.key }}) in (select {{ table.key }} from {{ existing }}) as is_existing,
            count(*) as copies
        from {{ ref('base_' ~ entities) }}
        where
            reject_reason is null
            {% if table.has_its_currency -%}
            and (order_id, currency) in (
                select
                    orders.order_id,
                    orders.currency
                from {{ ref('stg_shop__orders') }} as orders
            )
            {%- elif table.belongs_to_an_order -%}
            and order_id in (select orders.order_id from {{ ref('stg_shop__orders') }} as orders)
            {%- endif %}
        group by {{ table.key }}
    ) as trusted_by_key
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select
    counted.*,
    coalesce(rejected_by_table.rejected_rows, 0) as rejected_rows
from counted
left join rejected_by_table on counted.source_table = rejected_by_table.source_table
where
    counted.staging_rows <> counted.existing_keys
    or counted.raw_rows <> counted.existing_rows + counted.deleted_rows + coalesce(rejected_by_table.rejected_rows, 0)
