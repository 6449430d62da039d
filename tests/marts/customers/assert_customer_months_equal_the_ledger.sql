-- If this fails, what customers were worth at the end of a month is not what the ledger says of that day, and scores,
-- segments and cohorts of the past are of wrong amounts. Whoever had only returned by then was no customer yet: such
-- returns count from the day of the first sale on.
with

first_sales as (
    select
        identity_key,
        min(order_date) as first_sale_date
    from {{ ref('fct_orders') }}
    where is_sale
    group by identity_key
),

ledger_by_day as (
    select
        greatest(ledger.posting_date, first_sales.first_sale_date) as counted_date,
        sum(ledger.reporting_amount) as net_sales_amount
    from {{ ref('fct_sales_ledger') }} as ledger
    inner join first_sales on ledger.identity_key = first_sales.identity_key
    where ledger.ledger_account = 'net_sales'
    group by greatest(ledger.posting_date, first_sales.first_sale_date)
),

ledger_to_month_ends as (
    select
        months.month_end_date,
        sum(ledger_by_day.net_sales_amount) as net_sales_amount
    from {{ ref('int_months_completed') }} as months
    inner join ledger_by_day on months.month_end_date >= ledger_by_day.counted_date
    group by months.month_end_date
),

customer_months as (
    select
        as_of_date,
        sum(monetary_amount) as monetary_amount
    from {{ ref('agg_customers_monthly') }}
    group by as_of_date
)

select
    coalesce(ledger_to_month_ends.month_end_date, customer_months.as_of_date) as as_of_date,
    ledger_to_month_ends.net_sales_amount as ledger_amount,
    customer_months.monetary_amount
from ledger_to_month_ends
full outer join customer_months on ledger_to_month_ends.month_end_date = customer_months.as_of_date
where coalesce(ledger_to_month_ends.net_sales_amount, 0) <> coalesce(customer_months.monetary_amount, 0)
