-- A refund that differs from its lines makes returns by product contradict returns by day.
{%- set measures = [
    'returns_amount', 'charge_refund_amount', 'gift_card_refund_amount', 'tax_refund_amount',
    'reporting_returns_amount', 'reporting_tax_refund_amount', 'reporting_cogs_return_amount',
] %}

with

lines_by_refund as (
    select
        {% for measure in measures %}
        sum({{ measure }}) as {{ measure }},
        {% endfor %}
        refund_id
    from {{ ref('fct_refund_lines') }}
    group by refund_id
)

select
    {% for measure in measures %}
    refunds.{{ measure }} as refund_{{ measure }},
    lines_by_refund.{{ measure }} as lines_{{ measure }},
    {% endfor %}
    refunds.refund_id
from {{ ref('fct_refunds') }} as refunds
left join lines_by_refund on refunds.refund_id = lines_by_refund.refund_id
where
    false
    {% for measure in measures %}
    or refunds.{{ measure }} <> coalesce(lines_by_refund.{{ measure }}, 0)
    {% endfor %}
