-- A join that finds two partners counts money twice, one that finds none loses it: rows and amounts of every fact must
-- be those of staging.
{%- set pairs = [
    {'fact': 'fct_orders', 'staging': 'stg_shop__orders', 'fact_amount': 'total_amount', 'amount': 'total_amount'},
    {'fact': 'fct_order_lines', 'staging': 'stg_shop__order_items', 'fact_amount': 'tax_amount', 'amount': 'tax_amount'},
    {'fact': 'fct_payments', 'staging': 'stg_api__payments', 'fact_amount': 'amount', 'amount': 'amount'},
    {
        'fact': 'fct_refunds', 'staging': 'stg_api__refunds', 'fact_amount': 'shipping_refund_amount',
        'amount': 'shipping_amount',
    },
    {
        'fact': 'fct_refund_lines', 'staging': 'stg_api__refund_lines',
        'fact_amount': 'returns_amount + charge_refund_amount + gift_card_refund_amount + adjustment_amount',
        'amount': 'amount',
    },
] %}

with

compared as (
    {% for pair in pairs %}
    select
        '{{ pair.fact }}' as fact,
        (select count(*) from {{ ref(pair.fact) }}) as fact_rows,
        (select count(*) from {{ ref(pair.staging) }}) as staging_rows,
        (select sum({{ pair.fact_amount }}) from {{ ref(pair.fact) }}) as fact_amount,
        (select sum({{ pair.amount }}) from {{ ref(pair.staging) }}) as staging_amount
    {{ 'union all' if not loop.last }}
    {% endfor %}
)

select * from compared
where
    fact_rows <> staging_rows
    or coalesce(fact_amount, 0) <> coalesce(staging_amount, 0)
