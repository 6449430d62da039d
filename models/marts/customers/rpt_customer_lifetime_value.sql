-- One row per customer with at least one sale up to as_of_date: what the customer has brought in so far, returns taken
-- off. This is the past, not a forecast.
with

orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

refunds as (
    select * from {{ ref('fct_refunds') }}
    where is_sale
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

orders_by_customer as (
    select
        orders.identity_key,
        bounds.as_of_date,
        min(orders.order_date) as first_sale_date,
        max(orders.order_date) as last_sale_date,
        count(*) as orders,
        count(distinct orders.order_date) as purchase_days,
        sum(orders.lines_without_cost) as lines_without_cost,
        sum(orders.reporting_gross_sales_amount) as gross_sales_amount,
        sum(orders.reporting_discount_amount) as discount_amount,
        sum(orders.reporting_cogs_amount) as cogs_amount
    from orders
    inner join bounds on orders.order_date <= bounds.as_of_date
    group by orders.identity_key, bounds.as_of_date
),

refunds_by_customer as (
    select
        refunds.identity_key,
        sum(refunds.reporting_returns_amount) as returns_amount,
        sum(refunds.reporting_cogs_return_amount) as cogs_return_amount
    from refunds
    inner join bounds on refunds.refund_date <= bounds.as_of_date
    group by refunds.identity_key
),

joined as (
    select
        orders_by_customer.*,
        coalesce(refunds_by_customer.returns_amount, 0) as returns_amount,
        orders_by_customer.gross_sales_amount - orders_by_customer.discount_amount as sold_amount,
        orders_by_customer.cogs_amount - coalesce(refunds_by_customer.cogs_return_amount, 0) as net_cogs_amount,
        {{ dbt.datediff('orders_by_customer.first_sale_date', 'orders_by_customer.last_sale_date', 'day') }}
            as first_to_last_sale_days,
        {{ dbt.datediff('orders_by_customer.first_sale_date', 'orders_by_customer.as_of_date', 'day') }}
            as age_days
    from orders_by_customer
    left join refunds_by_customer on orders_by_customer.identity_key = refunds_by_customer.identity_key
),

final as (
    select
        -- keys
        identity_key,

        -- attributes
        as_of_date,
        cast({{ dbt.date_trunc('month', 'first_sale_date') }} as date) as cohort_month,
        first_sale_date,
        last_sale_date,
        cast(first_to_last_sale_days as integer) as first_to_last_sale_days,
        cast(age_days as integer) as age_days,
        cast(orders as integer) as orders,
        cast(purchase_days - 1 as integer) as repeat_purchase_days,
        cast(lines_without_cost as integer) as lines_without_cost,

        -- amounts
        {{ reporting_currency() }} as currency,
        {{ money('gross_sales_amount') }} as gross_sales_amount,
        {{ money('discount_amount') }} as discount_amount,
        {{ money('returns_amount') }} as returns_amount,
        {{ money('sold_amount - returns_amount') }} as net_sales_amount,
        {{ money('net_cogs_amount') }} as cogs_amount,
        {{ money('sold_amount - returns_amount - net_cogs_amount') }} as gross_profit_amount,
        {{ quotient('sold_amount', 'orders') }} as average_order_value
    from joined
)

select * from final
