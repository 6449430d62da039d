-- One row per refund, on the store-local day of the refund, not of the order: a refund today changes no closed day. One
-- that is dated before its order stands on the order's day, for nothing goes back before it was sold.
-- Refunds of orders that are no sale are here too: filter on is_sale before adding up.
{%- set line_measures = ['returns', 'charge_refund', 'gift_card_refund', 'adjustment', 'tax_refund', 'cogs_return'] %}
{%- set money_measures = [
    'returns', 'charge_refund', 'gift_card_refund', 'tax_refund', 'shipping_refund', 'adjustment'
] %}

with

{% call touched('order_id') %}
{{ changed('stg_api__refunds', 'order_id') }}
union all
{{ changed('int_orders_qualified_as_sales', 'order_id') }}
union all
{{ changed('fct_refund_lines', 'order_id') }}
union all
select order_id from {{ this }}
where refund_date in ({{ changed('int_fx_rates_filled_to_days', 'date_day') }})
{% endcall %}

refunds as (
    select * from {{ touched_rows(ref('stg_api__refunds'), 'order_id') }}
),

orders as (
    select * from {{ touched_rows(ref('int_orders_qualified_as_sales'), 'order_id') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates_filled_to_days') }}
),

lines_by_refund as (
    select
        {% for measure in line_measures %}
        sum({{ measure }}_amount) as {{ measure }}_amount,
        sum(reporting_{{ measure }}_amount) as reporting_{{ measure }}_amount,
        {% endfor %}
        refund_id
    from {{ touched_rows(ref('fct_refund_lines'), 'order_id') }}
    group by refund_id
),

dated as (
    select
        refunds.refund_id,
        refunds.order_id,
        refunds.reason,
        refunds.currency,
        refunds.shipping_amount,
        refunds.adjustment_amount,
        refunds.refunded_at,
        orders.store_id,
        orders.identity_key,
        orders.is_sale,
        greatest({{ to_local_date('refunds.refunded_at', 'orders.timezone') }}, orders.order_date) as refund_date
    from refunds
    inner join orders on refunds.order_id = orders.order_id
),

joined as (
    select
        dated.refund_id,
        dated.order_id,
        dated.store_id,
        dated.identity_key,
        dated.reason,
        dated.currency,
        dated.refund_date,
        dated.is_sale,
        dated.refunded_at,
        fx_rates.rate as fx_rate,
        dated.shipping_amount as shipping_refund_amount,
        {{ in_reporting_currency('dated.shipping_amount', 'fx_rates.rate') }} as reporting_shipping_refund_amount,
        {% for measure in line_measures if measure != 'adjustment' %}
        coalesce(lines_by_refund.{{ measure }}_amount, 0) as {{ measure }}_amount,
        coalesce(lines_by_refund.reporting_{{ measure }}_amount, 0) as reporting_{{ measure }}_amount,
        {% endfor %}
        dated.adjustment_amount + coalesce(lines_by_refund.adjustment_amount, 0) as adjustment_amount,
        {{ in_reporting_currency('dated.adjustment_amount', 'fx_rates.rate') }}
        + coalesce(lines_by_refund.reporting_adjustment_amount, 0) as reporting_adjustment_amount
    from dated
    left join lines_by_refund on dated.refund_id = lines_by_refund.refund_id
    left join fx_rates
        on
            dated.refund_date = fx_rates.date_day
            and dated.currency = fx_rates.currency
),

final as (
    select
        -- keys
        refund_id,
        order_id,
        store_id,
        identity_key,

        -- attributes
        reason,
        currency,
        refund_date,

        -- amounts
        {% for measure in money_measures %}
        {{ money(measure ~ '_amount') }} as {{ measure }}_amount,
        {% endfor %}
        {{ money((money_measures | join('_amount + ')) ~ '_amount') }} as total_refund_amount,
        {{ money('cogs_return_amount') }} as cogs_return_amount,

        -- amounts in the reporting currency
        fx_rate,
        {% for measure in money_measures %}
        {{ money('reporting_' ~ measure ~ '_amount') }} as reporting_{{ measure }}_amount,
        {% endfor %}
        {{ money('reporting_' ~ (money_measures | join('_amount + reporting_')) ~ '_amount') }}
            as reporting_total_refund_amount,
        {{ money('reporting_cogs_return_amount') }} as reporting_cogs_return_amount,

        -- flags
        is_sale,

        -- timestamps
        refunded_at
    from joined
)

select * from final
{{ stored_by('order_id') }}
