-- One row per coupon and month, with a row for what was sold without a coupon. Sales and discounts stand in the month
-- of the order, returns in the month of the refund. Customers and percentages do not add up.
with

orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

refunds as (
    select * from {{ ref('fct_refunds') }}
    where is_sale
),

dates as (
    select * from {{ ref('dim_dates') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

postings as (
    select
        order_date as posting_date,
        coupon_code,
        order_id,
        identity_key,
        is_first_sale,
        reporting_gross_sales_amount as gross_sales_amount,
        reporting_discount_amount as discounts_amount,
        0 as returns_amount,
        reporting_cogs_amount as cogs_amount,
        lines_without_cost
    from orders
    union all
    select
        refunds.refund_date as posting_date,
        orders.coupon_code,
        null as order_id,
        null as identity_key,
        false as is_first_sale,
        0 as gross_sales_amount,
        0 as discounts_amount,
        refunds.reporting_returns_amount as returns_amount,
        -refunds.reporting_cogs_return_amount as cogs_amount,
        0 as lines_without_cost
    from refunds
    inner join orders on refunds.order_id = orders.order_id
),

summed as (
    select
        coalesce(postings.coupon_code, 'No coupon') as coupon_code,
        dates.month_start_date,
        dates.month_end_date,
        count(postings.order_id) as orders,
        sum(count(postings.order_id)) over (partition by dates.month_start_date) as orders_of_month,
        count(case when postings.is_first_sale then postings.order_id end) as new_customer_orders,
        count(distinct postings.identity_key) as customers,
        {% for measure in ['gross_sales', 'discounts', 'returns', 'cogs'] -%}
        sum(postings.{{ measure }}_amount) as {{ measure }},
        {% endfor -%}
        sum(postings.gross_sales_amount - postings.discounts_amount) as sold,
        sum(postings.gross_sales_amount - postings.discounts_amount - postings.returns_amount) as net_sales,
        sum(postings.lines_without_cost) as lines_without_cost
    from postings
    inner join bounds on postings.posting_date <= bounds.as_of_date
    inner join dates on postings.posting_date = dates.date_day
    group by coalesce(postings.coupon_code, 'No coupon'), dates.month_start_date, dates.month_end_date
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['summed.coupon_code', 'summed.month_start_date']) }} as coupon_month_key,
        summed.coupon_code,
        summed.month_start_date,

        -- orders and customers
        cast(summed.orders as integer) as orders,
        {{ quotient('100.0 * summed.orders', 'summed.orders_of_month') }} as orders_share_pct,
        cast(summed.new_customer_orders as integer) as new_customer_orders,
        cast(summed.customers as integer) as customers,

        -- amounts
        {{ reporting_currency() }} as currency,
        {% for measure in ['gross_sales', 'discounts', 'returns', 'net_sales', 'cogs'] -%}
        {{ money('summed.' ~ measure) }} as {{ measure }},
        {% endfor -%}
        {{ money('summed.net_sales - summed.cogs') }} as gross_profit,
        {{ quotient('100 * summed.discounts', 'summed.gross_sales') }} as discount_pct,
        {{ quotient('summed.sold', 'summed.orders') }} as average_order_value,
        {{ quotient('100 * (summed.net_sales - summed.cogs)', 'greatest(summed.net_sales, 0)') }}
            as gross_margin_pct,
        cast(summed.lines_without_cost as integer) as lines_without_cost,

        -- flags
        summed.month_end_date <= bounds.as_of_date as is_month_complete
    from summed
    cross join bounds
)

select * from final
