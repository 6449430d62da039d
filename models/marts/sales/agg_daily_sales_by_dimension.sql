-- One row per store-local day, store, channel, category and customer segment with at least one posting. Additive
-- measures only, in the reporting currency: orders and customers are left out, for an order has several categories.
{%- set signs = {
    'sale': '', 'discount': '-', 'return': '-', 'shipping': '', 'shipping_refund': '-', 'tax': '', 'tax_refund': '-',
    'cogs': '-', 'cogs_return': '', 'units_sold': '', 'units_returned': '',
} %}

with

-- The days that something was posted to, those after a month end whose segments changed, and those that as_of_date has
-- let in or shut out.
{% call touched('date_day') %}
select ledger.posting_date as date_day from ({{ changed('fct_sales_ledger', 'posting_date') }}) as ledger
union all
{{ changed('fct_order_lines', 'order_date') }}
union all
{{ changed('fct_refund_lines', 'refund_date') }}
union all
{{ changed('fct_orders', 'order_date') }}
union all
select refund_date from {{ ref('fct_refund_lines') }}
where order_id in ({{ changed('fct_orders', 'order_id') }})
union all
select date_day from {{ ref('dim_dates') }}
where
    cast({{ dbt.dateadd('month', -1, 'month_start_date') }} as date)
    in ({{ changed('rpt_customer_rfm_history', 'month_start_date') }})
    or (
        date_day not in (select held.date_day from {{ this }} as held)
        and date_day <= (select bounds.as_of_date from {{ ref('int_calendar_bounds_derived') }} as bounds)
    )
union all
select held.date_day from {{ this }} as held
-- Without any order there is no such day.
where coalesce(
    held.date_day > (select bounds.as_of_date from {{ ref('int_calendar_bounds_derived') }} as bounds), true
)
{% endcall %}

ledger as (
    select * from {{ touched_rows(ref('fct_sales_ledger'), 'posting_date', 'touched.date_day') }}
),

order_lines as (
    select * from {{ touched_rows(ref('fct_order_lines'), 'order_date', 'touched.date_day') }}
    where
        is_sale
        and line_type = 'product'
),

refund_lines as (
    select * from {{ touched_rows(ref('fct_refund_lines'), 'refund_date', 'touched.date_day') }}
    where
        is_sale
        and line_type = 'product'
),

product_versions as (
    select * from {{ ref('dim_products_history') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

-- Units are not money and come from the lines; lines without a price have no entry in the ledger.
postings as (
    select
        order_id,
        store_id,
        identity_key,
        product_version_key,
        posting_date,
        movement_type as measure,
        reporting_amount as amount
    from ledger
    union all
    select
        order_id,
        store_id,
        identity_key,
        product_version_key,
        order_date as posting_date,
        'units_sold' as measure,
        quantity as amount
    from order_lines
    union all
    select
        order_id,
        store_id,
        identity_key,
        product_version_key,
        refund_date as posting_date,
        'units_returned' as measure,
        quantity as amount
    from refund_lines
),

-- All orders: the join finds those of the postings, of which two columns are read, faster than by their places.
orders as (
    select * from {{ ref('fct_orders') }}
),

{% if is_incremental() %}
months_before as (
    select distinct
        cast({{ dbt.dateadd('month', -1, dbt.date_trunc('month', 'posting_date')) }} as date) as month_start_date
    from postings
),
{% endif %}

segments as (
    select * from {{ touched_rows(ref('rpt_customer_rfm_history'), 'month_start_date', 'months_before') }}
),

-- The category as of the sale. The segment as of the day: that of the last month end before it, which the day's own
-- sales cannot have changed.
labelled as (
    select
        postings.posting_date,
        postings.store_id,
        orders.channel,
        case
            when postings.product_version_key is null then 'No product'
            else coalesce(product_versions.category, 'No category')
        end as category,
        coalesce(segments.segment, 'First sale') as segment,
        postings.measure,
        postings.amount
    from postings
    inner join bounds on postings.posting_date <= bounds.as_of_date
    inner join orders on postings.order_id = orders.order_id
    left join product_versions on postings.product_version_key = product_versions.product_version_key
    left join segments
        on
            postings.identity_key = segments.identity_key
            and segments.month_start_date
            = cast({{ dbt.dateadd('month', -1, dbt.date_trunc('month', 'postings.posting_date')) }} as date)
),

summed as (
    select
        {% for measure, sign in signs.items() %}
        {{ sign }}sum(case when measure = '{{ measure }}' then amount else 0 end) as {{ measure }}_total,
        {% endfor %}
        posting_date as date_day,
        store_id,
        channel,
        category,
        segment
    from labelled
    where measure in ('{{ signs | join("', '") }}')
    group by posting_date, store_id, channel, category, segment
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['date_day', 'store_id', 'channel', 'category', 'segment']) }}
            as daily_sales_key,
        date_day,
        store_id,

        -- attributes
        channel,
        category,
        segment,
        {{ reporting_currency() }} as currency,

        -- amounts
        {% for name, total in [('gross_sales', 'sale'), ('discounts', 'discount'), ('returns', 'return')] %}
        {{ money(total ~ '_total') }} as {{ name }},
        {% endfor %}
        {{ money('sale_total - discount_total - return_total') }} as net_sales,
        {{ money('shipping_total - shipping_refund_total') }} as shipping,
        {{ money('tax_total - tax_refund_total') }} as taxes,
        {{ money(
            'sale_total - discount_total - return_total + shipping_total - shipping_refund_total'
            ' + tax_total - tax_refund_total'
        ) }} as total_sales,
        {{ money('cogs_total - cogs_return_total') }} as cogs,
        {{ money('sale_total - discount_total - return_total - cogs_total + cogs_return_total') }} as gross_profit,

        -- units
        cast(units_sold_total as bigint) as units_sold,
        cast(units_returned_total as bigint) as units_returned
    from summed
)

select * from final
