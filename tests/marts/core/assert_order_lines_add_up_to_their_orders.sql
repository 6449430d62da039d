-- An order whose figures differ from those of its lines makes every report by product contradict every report by day.
{%- set measures = [
    'gross_sales_amount', 'discount_amount', 'net_sales_amount', 'charge_amount', 'gift_card_amount', 'tax_amount',
    'reporting_gross_sales_amount', 'reporting_discount_amount', 'reporting_net_sales_amount',
    'reporting_charge_amount', 'reporting_gift_card_amount', 'reporting_tax_amount', 'reporting_cogs_amount',
] %}

with

lines_by_order as (
    select
        {% for measure in measures %}
        sum({{ measure }}) as {{ measure }},
        {% endfor %}
        order_id
    from {{ ref('fct_order_lines') }}
    group by order_id
)

select
    {% for measure in measures %}
    orders.{{ measure }} as order_{{ measure }},
    lines_by_order.{{ measure }} as lines_{{ measure }},
    {% endfor %}
    orders.order_id
from {{ ref('fct_orders') }} as orders
left join lines_by_order on orders.order_id = lines_by_order.order_id
where
    false
    {% for measure in measures %}
    or orders.{{ measure }} <> coalesce(lines_by_order.{{ measure }}, 0)
    {% endfor %}
