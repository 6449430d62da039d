-- One row per line of a refund, on the store-local day of the refund, never of the order.
-- Refunds of orders that are no sale are here too: filter on is_sale before adding up.
with

{% call touched('order_id') %}
{{ changed('stg_api__refund_lines', 'order_id') }}
union all
{{ changed('stg_api__refunds', 'order_id') }}
union all
{{ changed('int_orders_qualified_as_sales', 'order_id') }}
union all
{{ changed('fct_order_lines', 'order_id') }}
union all
select order_id from {{ this }}
where refund_date in ({{ changed('int_fx_rates_filled_to_days', 'date_day') }})
{% endcall %}

refund_lines as (
    select * from {{ touched_rows(ref('stg_api__refund_lines'), 'order_id') }}
),

refunds as (
    select * from {{ touched_rows(ref('stg_api__refunds'), 'order_id') }}
),

orders as (
    select * from {{ touched_rows(ref('int_orders_qualified_as_sales'), 'order_id') }}
),

order_lines as (
    select * from {{ touched_rows(ref('fct_order_lines'), 'order_id') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates_filled_to_days') }}
),

-- A line that an order edit deleted is gone from the sales too: its refund is an adjustment and no return.
joined as (
    select
        refund_lines.*,
        refunds.currency,
        refunds.refunded_at,
        orders.store_id,
        orders.identity_key,
        orders.is_sale,
        order_lines.product_id,
        order_lines.product_version_key,
        order_lines.quantity as ordered_quantity,
        order_lines.cogs_amount,
        coalesce(order_lines.line_type, 'removed') as line_type,
        {{ minor_units('refunds.currency') }} as minor_units,
        greatest({{ to_local_date('refunds.refunded_at', 'orders.timezone') }}, orders.order_date) as refund_date
    from refund_lines
    inner join refunds on refund_lines.refund_id = refunds.refund_id
    inner join orders on refunds.order_id = orders.order_id
    left join order_lines
        on
            refund_lines.order_item_id = order_lines.order_item_id
            and refund_lines.order_id = order_lines.order_id
),

-- Only goods that went back on the shelf give their cost back.
split_by_type as (
    select
        joined.*,
        fx_rates.rate as fx_rate,
        case when joined.line_type = 'product' then joined.amount else 0 end as returns_amount,
        case when joined.line_type = 'charge' then joined.amount else 0 end as charge_refund_amount,
        case when joined.line_type = 'gift_card' then joined.amount else 0 end as gift_card_refund_amount,
        case when joined.line_type = 'removed' then joined.amount else 0 end as adjustment_amount,
        joined.tax_amount as tax_refund_amount,
        case
            when joined.is_restocked and joined.ordered_quantity > 0
                then round(joined.cogs_amount * joined.quantity * joined.minor_units / joined.ordered_quantity)
                    / joined.minor_units
            else 0
        end as cogs_return_amount
    from joined
    left join fx_rates
        on
            joined.refund_date = fx_rates.date_day
            and joined.currency = fx_rates.currency
),

final as (
    select
        -- keys
        refund_line_id,
        refund_id,
        order_id,
        order_item_id,
        store_id,
        identity_key,
        product_id,
        product_version_key,

        -- attributes
        line_type,
        quantity,
        currency,
        refund_date,

        -- amounts
        {{ money('returns_amount') }} as returns_amount,
        {{ money('charge_refund_amount') }} as charge_refund_amount,
        {{ money('gift_card_refund_amount') }} as gift_card_refund_amount,
        {{ money('adjustment_amount') }} as adjustment_amount,
        {{ money('tax_refund_amount') }} as tax_refund_amount,
        {{ money('cogs_return_amount') }} as cogs_return_amount,

        -- amounts in the reporting currency
        fx_rate,
        {{ in_reporting_currency('returns_amount', 'fx_rate') }} as reporting_returns_amount,
        {{ in_reporting_currency('charge_refund_amount', 'fx_rate') }} as reporting_charge_refund_amount,
        {{ in_reporting_currency('gift_card_refund_amount', 'fx_rate') }} as reporting_gift_card_refund_amount,
        {{ in_reporting_currency('adjustment_amount', 'fx_rate') }} as reporting_adjustment_amount,
        {{ in_reporting_currency('tax_refund_amount', 'fx_rate') }} as reporting_tax_refund_amount,
        {{ in_reporting_currency('cogs_return_amount', 'fx_rate') }} as reporting_cogs_return_amount,

        -- flags
        is_restocked,
        is_sale,

        -- timestamps
        refunded_at
    from split_by_type
)

select * from final
{{ stored_by('order_id') }}
