-- One row per order line, free-text lines and gift cards included, lines of test, deleted and cancelled orders too:
-- filter on is_sale before adding up. Shipping is an amount of the order and not here.
with

{% call touched('order_id') %}
{{ changed('stg_shop__order_items', 'order_id') }}
union all
{{ changed('int_order_lines_netted_of_tax', 'order_id') }}
union all
{{ changed('int_order_lines_costed', 'order_id') }}
union all
{{ changed('int_orders_qualified_as_sales', 'order_id') }}
{% endcall %}

lines as (
    select * from {{ touched_rows(ref('stg_shop__order_items'), 'order_id') }}
),

netted as (
    select * from {{ touched_rows(ref('int_order_lines_netted_of_tax'), 'order_id') }}
),

costed as (
    select * from {{ touched_rows(ref('int_order_lines_costed'), 'order_id') }}
),

orders as (
    select * from {{ touched_rows(ref('int_orders_qualified_as_sales'), 'order_id') }}
),

-- Gift cards and charges are no product sales: they have columns of their own, so that plain sums are right.
joined as (
    select
        lines.order_item_id,
        lines.order_id,
        orders.store_id,
        orders.identity_key,
        orders.customer_version_key,
        lines.product_id,
        costed.product_version_key,
        lines.line_type,
        lines.product_name,
        lines.quantity,
        orders.currency,
        orders.order_date,
        costed.cost_source,
        lines.unit_price,
        case when lines.line_type = 'product' then netted.gross_amount else 0 end as gross_sales_amount,
        case when lines.line_type = 'product' then netted.line_discount_amount else 0 end as line_discount_amount,
        case when lines.line_type = 'product' then netted.discount_amount else 0 end as discount_amount,
        case when lines.line_type = 'charge' then netted.net_amount else 0 end as charge_amount,
        case when lines.line_type = 'gift_card' then netted.net_amount else 0 end as gift_card_amount,
        lines.tax_amount,
        netted.net_amount,
        costed.cogs_amount,
        orders.fx_rate,
        orders.is_sale,
        orders.ordered_at
    from lines
    inner join orders on lines.order_id = orders.order_id
    inner join netted on lines.order_item_id = netted.order_item_id
    inner join costed on lines.order_item_id = costed.order_item_id
),

-- Converted and rounded line by line: whichever way lines are added up, the sums agree.
converted as (
    select
        *,
        {{ in_reporting_currency('gross_sales_amount', 'fx_rate') }} as reporting_gross_sales_amount,
        {{ in_reporting_currency('discount_amount', 'fx_rate') }} as reporting_discount_amount,
        {{ in_reporting_currency('charge_amount', 'fx_rate') }} as reporting_charge_amount,
        {{ in_reporting_currency('gift_card_amount', 'fx_rate') }} as reporting_gift_card_amount,
        {{ in_reporting_currency('tax_amount', 'fx_rate') }} as reporting_tax_amount,
        {{ in_reporting_currency('cogs_amount', 'fx_rate') }} as reporting_cogs_amount
    from joined
),

final as (
    select
        -- keys
        order_item_id,
        order_id,
        store_id,
        identity_key,
        customer_version_key,
        product_id,
        product_version_key,

        -- attributes
        line_type,
        product_name,
        quantity,
        currency,
        order_date,
        cost_source,

        -- amounts
        unit_price,
        gross_sales_amount,
        line_discount_amount,
        {{ money('discount_amount - line_discount_amount') }} as order_discount_share_amount,
        discount_amount,
        {{ money('gross_sales_amount - discount_amount') }} as net_sales_amount,
        charge_amount,
        gift_card_amount,
        tax_amount,
        {{ money('net_amount + tax_amount') }} as total_amount,
        cogs_amount,
        {{ money('gross_sales_amount - discount_amount - cogs_amount') }} as gross_profit_amount,

        -- amounts in the reporting currency
        fx_rate,
        reporting_gross_sales_amount,
        reporting_discount_amount,
        {{ money('reporting_gross_sales_amount - reporting_discount_amount') }} as reporting_net_sales_amount,
        reporting_charge_amount,
        reporting_gift_card_amount,
        reporting_tax_amount,
        reporting_cogs_amount,
        {{ money('reporting_gross_sales_amount - reporting_discount_amount - reporting_cogs_amount') }}
            as reporting_gross_profit_amount,

        -- flags
        is_sale,

        -- timestamps
        ordered_at
    from converted
)

select * from final
{{ stored_by('order_id') }}
