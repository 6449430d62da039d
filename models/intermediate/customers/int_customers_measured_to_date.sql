with

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

months as (
    select * from {{ ref('agg_customers_monthly') }}
),

orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

refunds as (
    select * from {{ ref('fct_refunds') }}
    where is_sale
),

last_month as (
    select
        identity_key,
        as_of_date,
        first_sale_date,
        last_sale_date,
        frequency,
        monetary_amount
    from months
    where as_of_date = (select max(latest.as_of_date) from months as latest)
),

-- A return takes its money off on the day it is posted. It is no purchase: recency and frequency do not see it.
movements as (
    select
        identity_key,
        order_date as posted_date,
        order_date as sale_date,
        reporting_net_sales_amount as amount
    from orders
    where order_date > (select coalesce(max(months.as_of_date), cast('0001-01-01' as date)) from months)
    union all
    select
        refunds.identity_key,
        refunds.refund_date as posted_date,
        null as sale_date,
        -refunds.reporting_returns_amount as amount
    from refunds
    left join last_month on refunds.identity_key = last_month.identity_key
    where
        refunds.refund_date > last_month.as_of_date
        -- A return can be dated before the first sale.
        or last_month.identity_key is null
),

lined_up as (
    select
        identity_key,
        first_sale_date,
        last_sale_date,
        frequency,
        monetary_amount
    from last_month
    union all
    select
        movements.identity_key,
        movements.sale_date as first_sale_date,
        movements.sale_date as last_sale_date,
        case when movements.sale_date is null then 0 else 1 end as frequency,
        movements.amount as monetary_amount
    from movements
    inner join bounds on movements.posted_date <= bounds.as_of_date
),

totals as (
    select
        identity_key,
        min(first_sale_date) as first_sale_date,
        max(last_sale_date) as last_sale_date,
        sum(frequency) as frequency,
        sum(monetary_amount) as monetary_amount
    from lined_up
    group by identity_key
),

dated as (
    select
        totals.*,
        bounds.as_of_date,
        {{ dbt.datediff('totals.last_sale_date', 'bounds.as_of_date', 'day') }}
            as recency_days
    from totals
    cross join bounds
    where totals.frequency > 0
),

final as (
    select
        identity_key,
        as_of_date,
        first_sale_date,
        last_sale_date,
        cast(recency_days as integer) as recency_days,
        cast(frequency as integer) as frequency,
        {{ reporting_currency() }} as currency,
        {{ money('monetary_amount') }} as monetary_amount
    from dated
)

select * from final
