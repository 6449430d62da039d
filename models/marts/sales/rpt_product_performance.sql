-- One row per product and month with a sale or a return; returns stand in the month of the refund. Amounts add up over
-- rows; ranks, shares and classes hold within their month only.
{%- set a_share_pct = var('abc_a_share_pct') %}
{%- set b_share_pct = var('abc_b_share_pct') %}
{%- set sums = {
    'gross_sales': ['sale'],
    'discounts': ['discount'],
    'returns': ['return'],
    'net_sales': ['sale', 'discount', 'return'],
    'cogs': ['cogs', 'cogs_return'],
    'gross_profit': ['sale', 'discount', 'return', 'cogs', 'cogs_return'],
    'units_sold': ['units_with_cost', 'units_without_cost'],
    'units_without_cost': ['units_without_cost'],
    'units_returned': ['units_returned'],
} %}

with

ledger as (
    select * from {{ ref('fct_sales_ledger') }}
),

order_lines as (
    select * from {{ ref('fct_order_lines') }}
    where is_sale and line_type = 'product'
),

refund_lines as (
    select * from {{ ref('fct_refund_lines') }}
    where is_sale and line_type = 'product'
),

products as (
    select * from {{ ref('dim_products') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

-- Units are not money and come from the lines; lines without a price have no entry in the ledger.
postings as (
    select
        product_id,
        posting_date,
        movement_type as measure,
        reporting_amount as amount
    from ledger
    where ledger_account in ('net_sales', 'cost_of_goods')
    union all
    select
        product_id,
        order_date as posting_date,
        case when cost_source = 'unknown' then 'units_without_cost' else 'units_with_cost' end as measure,
        quantity as amount
    from order_lines
    union all
    select
        product_id,
        refund_date as posting_date,
        'units_returned' as measure,
        quantity as amount
    from refund_lines
),

summed as (
    select
        postings.product_id,
        {% for name, measures in sums.items() -%}
        sum(
            {% for measure in measures -%}
            case when postings.measure = '{{ measure }}' then postings.amount else 0 end {{- ' +' if not loop.last }}
            {% endfor %}
        ) as {{ name }},
        {% endfor -%}
        dates.month_start_date,
        dates.month_end_date
    from postings
    inner join bounds on postings.posting_date <= bounds.as_of_date
    inner join dates on postings.posting_date = dates.date_day
    group by postings.product_id, dates.month_start_date, dates.month_end_date
),

-- Products of equal sales share a rank and a class, so that no tie is broken by chance. What a month of returns left
-- below zero is no part of what the others share.
ranked as (
    select
        *,
        rank() over (partition by month_start_date order by net_sales desc) as net_sales_rank,
        sum(greatest(net_sales, 0)) over (partition by month_start_date) as month_amount,
        sum(greatest(net_sales, 0)) over (partition by month_start_date order by net_sales desc)
        - sum(greatest(net_sales, 0)) over (partition by month_start_date, net_sales) as amount_ahead
    from summed
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['ranked.product_id', 'ranked.month_start_date']) }} as product_month_key,
        ranked.product_id,
        ranked.month_start_date,

        -- attributes
        products.sku,
        products.product_name,
        products.category,
        case
            when ranked.net_sales <= 0 then 'C'
            when 100 * ranked.amount_ahead < {{ a_share_pct }} * ranked.month_amount then 'A'
            when 100 * ranked.amount_ahead < {{ b_share_pct }} * ranked.month_amount then 'B'
            else 'C'
        end as abc_class,
        cast(ranked.net_sales_rank as integer) as net_sales_rank,

        -- units
        {% for measure in ['units_sold', 'units_without_cost', 'units_returned'] -%}
        cast(ranked.{{ measure }} as bigint) as {{ measure }},
        {% endfor %}
        -- amounts
        {{ reporting_currency() }} as currency,
        {% for measure, sign in [
            ('gross_sales', ''), ('discounts', '-'), ('returns', '-'), ('net_sales', ''), ('cogs', '-'), ('gross_profit', ''),
        ] -%}
        {{ money(sign ~ 'ranked.' ~ measure) }} as {{ measure }},
        {% endfor -%}
        {{ quotient('100 * ranked.gross_profit', 'greatest(ranked.net_sales, 0)') }} as gross_margin_pct,
        {{ quotient('100 * greatest(ranked.net_sales, 0)', 'ranked.month_amount') }}
            as net_sales_share_pct,

        -- flags
        ranked.month_end_date <= bounds.as_of_date as is_month_complete
    from ranked
    inner join products on ranked.product_id = products.product_id
    cross join bounds
)

select * from final
