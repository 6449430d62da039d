-- One row per signed movement of money, sales only: plain sums are right. Net sales are the sum over `net_sales`, gross
-- profit the sum over `net_sales` and `cost_of_goods`. Sales post on the order's day, what goes back on the refund's.
{%- set line_movements = [
    {'type': 'sale', 'account': 'net_sales', 'amount': 'gross_sales_amount', 'sign': 1},
    {'type': 'discount', 'account': 'net_sales', 'amount': 'discount_amount', 'sign': -1},
    {'type': 'charge', 'account': 'charges', 'amount': 'charge_amount', 'sign': 1},
    {'type': 'gift_card', 'account': 'gift_cards', 'amount': 'gift_card_amount', 'sign': 1},
    {'type': 'tax', 'account': 'taxes', 'amount': 'tax_amount', 'sign': 1},
    {'type': 'cogs', 'account': 'cost_of_goods', 'amount': 'cogs_amount', 'sign': -1},
] %}
{%- set order_movements = [
    {'type': 'shipping', 'account': 'shipping', 'amount': 'shipping_amount', 'sign': 1},
] %}
{%- set refund_line_movements = [
    {'type': 'return', 'account': 'net_sales', 'amount': 'returns_amount', 'sign': -1},
    {'type': 'charge_refund', 'account': 'charges', 'amount': 'charge_refund_amount', 'sign': -1},
    {'type': 'gift_card_refund', 'account': 'gift_cards', 'amount': 'gift_card_refund_amount', 'sign': -1},
    {'type': 'tax_refund', 'account': 'taxes', 'amount': 'tax_refund_amount', 'sign': -1},
    {'type': 'cogs_return', 'account': 'cost_of_goods', 'amount': 'cogs_return_amount', 'sign': 1},
] %}
{%- set refund_movements = [
    {'type': 'shipping_refund', 'account': 'shipping', 'amount': 'shipping_refund_amount', 'sign': -1},
    {'type': 'adjustment', 'account': 'adjustments', 'amount': 'adjustment_amount', 'sign': -1},
] %}
{%- set origins = [
    {'cte': 'order_lines', 'id': 'order_item_id', 'date': 'order_date', 'time': 'ordered_at', 'movements': line_movements},
    {'cte': 'orders', 'id': 'order_id', 'date': 'order_date', 'time': 'ordered_at', 'movements': order_movements},
    {
        'cte': 'refund_lines', 'id': 'refund_line_id', 'date': 'refund_date', 'time': 'refunded_at',
        'movements': refund_line_movements,
    },
    {'cte': 'refunds', 'id': 'refund_id', 'date': 'refund_date', 'time': 'refunded_at', 'movements': refund_movements},
] %}

with

{% call touched('order_id') %}
{{ changed('fct_order_lines', 'order_id') }}
union all
{{ changed('fct_orders', 'order_id') }}
union all
{{ changed('fct_refund_lines', 'order_id') }}
union all
{{ changed('fct_refunds', 'order_id') }}
{% endcall %}

order_lines as (
    select
        *,
        cast(null as {{ dbt.type_string() }}) as refund_id
    from {{ touched_rows(ref('fct_order_lines'), 'order_id') }}
    where is_sale
),

orders as (
    select
        *,
        cast(null as {{ dbt.type_string() }}) as refund_id,
        cast(null as bigint) as order_item_id,
        cast(null as bigint) as product_id,
        cast(null as {{ dbt.type_string() }}) as product_version_key
    from {{ touched_rows(ref('fct_orders'), 'order_id') }}
    where is_sale
),

refund_lines as (
    select * from {{ touched_rows(ref('fct_refund_lines'), 'order_id') }}
    where is_sale
),

refunds as (
    select
        *,
        cast(null as bigint) as order_item_id,
        cast(null as bigint) as product_id,
        cast(null as {{ dbt.type_string() }}) as product_version_key
    from {{ touched_rows(ref('fct_refunds'), 'order_id') }}
    where is_sale
),

movements as (
    {% for origin in origins %}
    {% set last_origin = loop.last %}
    {% for movement in origin.movements %}
    select
        '{{ movement.type }}' as movement_type,
        '{{ movement.account }}' as ledger_account,
        cast({{ origin.id }} as {{ dbt.type_string() }}) as origin_id,
        order_id,
        order_item_id,
        refund_id,
        store_id,
        identity_key,
        product_id,
        product_version_key,
        currency,
        {{ origin.date }} as posting_date,
        {{ movement.sign }} * {{ movement.amount }} as amount,
        {{ movement.sign }} * reporting_{{ movement.amount }} as reporting_amount,
        {{ origin.time }} as posted_at
    from {{ origin.cte }}
    where {{ movement.amount }} <> 0
    {{ 'union all' if not (loop.last and last_origin) }}
    {% endfor %}
    {% endfor %}
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['movement_type', 'origin_id']) }} as ledger_entry_key,
        order_id,
        order_item_id,
        refund_id,
        store_id,
        identity_key,
        product_id,
        product_version_key,

        -- attributes
        movement_type,
        ledger_account,
        currency,
        posting_date,

        -- amounts
        {{ money('amount') }} as amount,
        {{ money('reporting_amount') }} as reporting_amount,

        -- timestamps
        posted_at
    from movements
)

select * from final
