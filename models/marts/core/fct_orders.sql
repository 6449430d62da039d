-- One row per order, test, deleted and cancelled ones too: filter on is_sale before adding up.
-- Amounts are before returns, which post on the day of the refund: see fct_refunds.
{%- set line_measures = [
    'gross_sales', 'discount', 'net_sales', 'charge', 'gift_card', 'cogs',
] %}

with

-- An order that comes, goes or changes hands renumbers the later sales of everyone it belonged to.
{% call touched('order_id') %}
select order_id from {{ ref('int_orders_qualified_as_sales') }}
where
    identity_key in ({{ changed('int_orders_qualified_as_sales', 'identity_key') }})
    and order_date >= (
        select min(changed_orders.order_date)
        from ({{ changed('int_orders_qualified_as_sales', 'order_date') }}) as changed_orders
    )
union all
{{ changed('int_orders_qualified_as_sales', 'order_id') }}
union all
{{ changed('fct_order_lines', 'order_id') }}
{% endcall %}

orders as (
    select * from {{ touched_rows(ref('int_orders_qualified_as_sales'), 'order_id') }}
),

lines_by_order as (
    select
        order_id,
        sum(case when line_type = 'product' then quantity else 0 end) as product_quantity,
        sum(case when cost_source = 'unknown' then 1 else 0 end) as lines_without_cost,
        {% for measure in line_measures %}
        sum({{ measure }}_amount) as {{ measure }}_amount,
        sum(reporting_{{ measure }}_amount) as reporting_{{ measure }}_amount,
        {% endfor %}
        sum(reporting_tax_amount) as reporting_tax_amount
    from {{ touched_rows(ref('fct_order_lines'), 'order_id') }}
    group by order_id
),

-- By the days of the stores, as every report counts: the first sale then lies in the customer's first month.
-- Few columns of a buyer's many sales: to look for their places first would cost more than it saves.
sale_numbers as (
    select
        order_id,
        row_number() over (partition by identity_key order by order_date, ordered_at, order_id) as sale_number
    from {{ ref('int_orders_qualified_as_sales') }}
    where
        is_sale
        and {{ is_touched('identity_key', 'orders') }}
),

joined as (
    select
        orders.*,
        sale_numbers.sale_number,
        coalesce(lines_by_order.product_quantity, 0) as product_quantity,
        coalesce(lines_by_order.lines_without_cost, 0) as lines_without_cost,
        {% for measure in line_measures %}
        coalesce(lines_by_order.{{ measure }}_amount, 0) as {{ measure }}_amount,
        coalesce(lines_by_order.reporting_{{ measure }}_amount, 0) as reporting_{{ measure }}_amount,
        {% endfor %}
        coalesce(lines_by_order.reporting_tax_amount, 0) as reporting_tax_amount,
        {{ in_reporting_currency('orders.shipping_amount', 'orders.fx_rate') }} as reporting_shipping_amount,
        {{ in_reporting_currency('orders.paid_amount', 'orders.fx_rate') }} as reporting_paid_amount
    from orders
    left join lines_by_order on orders.order_id = lines_by_order.order_id
    left join sale_numbers on orders.order_id = sale_numbers.order_id
),

final as (
    select
        -- keys
        order_id,
        store_id,
        customer_id,
        identity_key,
        customer_version_key,
        session_id,

        -- attributes
        order_number,
        status,
        channel,
        currency,
        coupon_code,
        shipping_country_code,
        order_date,
        cast({{ dbt.date_trunc('month', 'order_date') }} as date) as order_month,
        cast(sale_number as integer) as sale_number,
        cast(product_quantity as bigint) as product_quantity,
        cast(lines_without_cost as integer) as lines_without_cost,

        -- amounts
        {% for measure in line_measures %}
        {{ money(measure ~ '_amount') }} as {{ measure }}_amount,
        {% endfor %}
        {{ money('net_sales_amount - cogs_amount') }} as gross_profit_amount,
        {{ money('shipping_amount') }} as shipping_amount,
        {{ money('tax_amount') }} as tax_amount,
        {{ money('total_amount') }} as total_amount,
        {{ money('paid_amount') }} as paid_amount,

        -- amounts in the reporting currency
        fx_rate,
        {% for measure in line_measures %}
        {{ money('reporting_' ~ measure ~ '_amount') }} as reporting_{{ measure }}_amount,
        {% endfor %}
        {{ money('reporting_net_sales_amount - reporting_cogs_amount') }} as reporting_gross_profit_amount,
        reporting_shipping_amount,
        {{ money('reporting_tax_amount') }} as reporting_tax_amount,
        {{ money(
            'reporting_net_sales_amount + reporting_charge_amount + reporting_gift_card_amount'
            ' + reporting_shipping_amount + reporting_tax_amount'
        ) }} as reporting_total_amount,
        reporting_paid_amount,

        -- flags
        is_guest,
        is_test,
        is_deleted,
        is_cancelled,
        is_sale,
        coalesce(sale_number = 1, false) as is_first_sale,

        -- timestamps
        ordered_at,
        first_paid_at,
        cancelled_at,
        shipped_at,
        delivered_at
    from joined
)

select * from final
{{ stored_by('order_id') }}
