-- One row per store-local day, days without a sale included, in the reporting currency.
-- Sales stand on the day of the order, returns on the day of the refund. Amounts and orders add up over days;
-- customers, averages, percentages and running totals do not.
{%- set base_measures = [
    'gross_sales', 'discounts', 'returns', 'net_sales', 'shipping', 'taxes', 'cogs', 'new_customer_net_sales',
    'lines_without_cost', 'orders', 'new_customer_orders', 'customers',
] %}
with

{% call touched('date_day', is_whole=true) %}
select orders.order_date as date_day from ({{ changed('fct_orders', 'order_date') }}) as orders
union all
{{ changed('fct_refunds', 'refund_date') }}
union all
select refund_date from {{ ref('fct_refunds') }}
where order_id in ({{ changed('fct_orders', 'order_id') }})
union all
select date_day from {{ ref('dim_dates') }}
where
    date_day not in (select held.date_day from {{ this }} as held)
    and date_day <= (select bounds.as_of_date from {{ ref('int_calendar_bounds_derived') }} as bounds)
{% endcall %}

dates as (
    select * from {{ ref('dim_dates') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

orders as (
    select * from {{ touched_rows(ref('fct_orders'), 'order_date', 'touched.date_day') }}
    where is_sale
),

refunds as (
    select * from {{ touched_rows(ref('fct_refunds'), 'refund_date', 'touched.date_day') }}
    where is_sale
),

refunded_orders as (
    select * from {{ touched_rows(ref('fct_orders'), 'order_id', 'refunds') }}
    where is_sale
),

days as (
    select
        dates.date_day,
        dates.month_start_date,
        dates.calendar_year
    from dates
    inner join bounds on dates.date_day between bounds.first_date and bounds.as_of_date
),

-- A return is taken from the sales it belongs to: from those to new customers if the order was the customer's first.
postings as (
    select
        order_date as date_day,
        order_id,
        identity_key,
        is_first_sale,
        reporting_gross_sales_amount as gross_sales_amount,
        reporting_discount_amount as discounts_amount,
        0 as returns_amount,
        reporting_gross_sales_amount - reporting_discount_amount as net_sales_amount,
        reporting_shipping_amount as shipping_amount,
        reporting_tax_amount as taxes_amount,
        reporting_cogs_amount as cogs_amount,
        lines_without_cost
    from orders
    union all
    select
        refunds.refund_date as date_day,
        null as order_id,
        null as identity_key,
        refunded_orders.is_first_sale,
        0 as gross_sales_amount,
        0 as discounts_amount,
        refunds.reporting_returns_amount as returns_amount,
        -refunds.reporting_returns_amount as net_sales_amount,
        -refunds.reporting_shipping_refund_amount as shipping_amount,
        -refunds.reporting_tax_refund_amount as taxes_amount,
        -refunds.reporting_cogs_return_amount as cogs_amount,
        0 as lines_without_cost
    from refunds
    inner join refunded_orders on refunds.order_id = refunded_orders.order_id
),

days_summed as (
    select
        days.date_day,
        days.month_start_date,
        days.calendar_year,
        {% for measure in ['gross_sales', 'discounts', 'returns', 'net_sales', 'shipping', 'taxes', 'cogs'] -%}
        coalesce(sum(postings.{{ measure }}_amount), 0) as {{ measure }},
        {% endfor -%}
        coalesce(sum(case when postings.is_first_sale then postings.net_sales_amount end), 0) as new_customer_net_sales,
        coalesce(sum(postings.lines_without_cost), 0) as lines_without_cost,
        count(postings.order_id) as orders,
        count(case when postings.is_first_sale then postings.order_id end) as new_customer_orders,
        count(distinct postings.identity_key) as customers
    from days
    left join postings on days.date_day = postings.date_day
    group by days.date_day, days.month_start_date, days.calendar_year
),

-- Days that nothing was posted to since the last build keep their sums; trends are worked out for all of them.
summed as (
    {% if is_incremental() %}
    select
        days.date_day,
        days.month_start_date,
        days.calendar_year,
        {% for measure in base_measures %}
        case when held.date_day is null then days_summed.{{ measure }} else held.{{ measure }} end as {{ measure }}
        {{- ',' if not loop.last }}
        {% endfor %}
    from days
    inner join days_summed on days.date_day = days_summed.date_day
    left join {{ this }} as held
        on
            days.date_day = held.date_day
            and held.date_day not in (select touched.date_day from touched)
    {% else %}
    select * from days_summed
    {% endif %}
),

-- The calendar has no gaps, so rows are days. A window that would reach back before the first day has no average.
windowed as (
    select
        *,
        {{ trailing_average('net_sales', 7) }} as net_sales_7_day_average,
        {{ trailing_average('orders', 7) }} as orders_7_day_average,
        {{ trailing_average('net_sales', 30) }} as net_sales_30_day_average,
        {{ trailing_average('orders', 30) }} as orders_30_day_average,
        sum(net_sales) over (partition by month_start_date order by date_day) as net_sales_month_to_date,
        sum(net_sales) over (partition by calendar_year order by date_day) as net_sales_year_to_date,
        lag(net_sales, 1) over (order by date_day) as net_sales_previous_day,
        lag(net_sales, 7) over (order by date_day) as net_sales_same_weekday_last_week
    from summed
),

-- The same date a year before; 29 February looks at 28 February.
compared as (
    select
        windowed.*,
        last_year.net_sales as net_sales_same_day_last_year
    from windowed
    left join summed as last_year
        on last_year.date_day = cast({{ dbt.dateadd('year', -1, 'windowed.date_day') }} as date)
),

final as (
    select
        -- keys
        date_day,

        -- attributes
        {{ reporting_currency() }} as currency,

        -- amounts
        {% for measure in ['gross_sales', 'discounts', 'returns', 'net_sales', 'shipping', 'taxes'] -%}
        {{ money(measure) }} as {{ measure }},
        {% endfor -%}
        {{ money('net_sales + shipping + taxes') }} as total_sales,
        {{ money('cogs') }} as cogs,
        {{ money('net_sales - cogs') }} as gross_profit,
        {{ quotient('100 * (net_sales - cogs)', 'greatest(net_sales, 0)') }} as gross_margin_pct,
        cast(lines_without_cost as integer) as lines_without_cost,

        -- orders and customers
        cast(orders as integer) as orders,
        {{ quotient('(gross_sales - discounts)', 'orders') }} as average_order_value,
        cast(customers as integer) as customers,
        cast(new_customer_orders as integer) as new_customer_orders,
        cast(orders - new_customer_orders as integer) as returning_customer_orders,
        {{ money('new_customer_net_sales') }} as new_customer_net_sales,
        {{ money('net_sales - new_customer_net_sales') }} as returning_customer_net_sales,

        -- trends
        net_sales_7_day_average,
        net_sales_30_day_average,
        orders_7_day_average,
        orders_30_day_average,
        {{ money('net_sales_month_to_date') }} as net_sales_month_to_date,
        {{ money('net_sales_year_to_date') }} as net_sales_year_to_date,
        {{ money('net_sales_previous_day') }} as net_sales_previous_day,
        {{ change_pct('net_sales_previous_day', 'net_sales') }} as net_sales_vs_previous_day_pct,
        {{ money('net_sales_same_weekday_last_week') }} as net_sales_same_weekday_last_week,
        {{ change_pct('net_sales_same_weekday_last_week', 'net_sales') }} as net_sales_vs_same_weekday_last_week_pct,
        {{ money('net_sales_same_day_last_year') }} as net_sales_same_day_last_year,
        {{ change_pct('net_sales_same_day_last_year', 'net_sales') }} as net_sales_vs_same_day_last_year_pct
    from compared
)

select * from final
