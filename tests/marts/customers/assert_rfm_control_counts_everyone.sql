-- If this fails, customers or sales are missing from the RFM report without anybody being told.
with

control as (
    select
        sum(customers) as customers,
        sum(orders) as orders,
        sum(scored_orders) as scored_orders,
        sum(scored_amount) as scored_amount
    from {{ ref('rpt_customer_rfm_control') }}
),

customers as (
    select count(*) as customers from {{ ref('dim_customers') }}
),

sales as (
    select
        count(*) as orders,
        count(case when fct_orders.order_date <= bounds.as_of_date then 1 end) as orders_to_date,
        sum(case when fct_orders.order_date <= bounds.as_of_date then fct_orders.reporting_net_sales_amount end)
            as amount
    from {{ ref('fct_orders') }} as fct_orders
    cross join {{ ref('int_calendar_bounds_derived') }} as bounds
    where fct_orders.is_sale
),

returns as (
    select coalesce(sum(fct_refunds.reporting_returns_amount), 0) as amount
    from {{ ref('fct_refunds') }} as fct_refunds
    inner join {{ ref('int_calendar_bounds_derived') }} as bounds on fct_refunds.refund_date <= bounds.as_of_date
    where fct_refunds.is_sale
)

select
    control.*,
    customers.customers as expected_customers,
    sales.orders as expected_orders,
    sales.orders_to_date as expected_scored_orders,
    sales.amount - returns.amount as expected_scored_amount
from control
cross join customers
cross join sales
cross join returns
where
    control.customers <> customers.customers
    or control.orders <> sales.orders
    or control.scored_orders <> sales.orders_to_date
    or control.scored_amount <> sales.amount - returns.amount
