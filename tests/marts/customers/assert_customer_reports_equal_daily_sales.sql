-- If this fails, two reports give two answers to "what did we sell?": by day, by customer, by cohort or by RFM score.
with

daily_sales as (
    select
        sum(daily.net_sales) as net_sales,
        sum(daily.orders) as orders,
        sum(daily.gross_profit) as gross_profit,
        sum(case when dates.month_end_date <= bounds.as_of_date then daily.net_sales else 0 end)
            as net_sales_of_full_months
    from {{ ref('agg_daily_sales') }} as daily
    inner join {{ ref('dim_dates') }} as dates on daily.date_day = dates.date_day
    cross join {{ ref('int_calendar_bounds_derived') }} as bounds
),

lifetime_values as (
    select
        sum(net_sales_amount) as net_sales,
        sum(orders) as orders,
        sum(gross_profit_amount) as gross_profit
    from {{ ref('rpt_customer_lifetime_value') }}
),

rfm as (
    select
        sum(monetary_amount) as net_sales,
        sum(frequency) as orders
    from {{ ref('rpt_customer_rfm') }}
),

cohorts as (
    select coalesce(sum(net_sales_amount), 0) as net_sales_of_full_months
    from {{ ref('rpt_cohort_retention') }}
)

select
    daily_sales.*,
    lifetime_values.net_sales as lifetime_net_sales,
    lifetime_values.orders as lifetime_orders,
    lifetime_values.gross_profit as lifetime_gross_profit,
    rfm.net_sales as rfm_net_sales,
    rfm.orders as rfm_orders,
    cohorts.net_sales_of_full_months as cohort_net_sales_of_full_months
from daily_sales
cross join lifetime_values
cross join rfm
cross join cohorts
where
    daily_sales.net_sales <> lifetime_values.net_sales
    or daily_sales.orders <> lifetime_values.orders
    or daily_sales.gross_profit <> lifetime_values.gross_profit
    or daily_sales.net_sales <> rfm.net_sales
    or daily_sales.orders <> rfm.orders
    or daily_sales.net_sales_of_full_months <> cohorts.net_sales_of_full_months
