-- One row per customer and month, from the month of the first sale on, as things stood at its end; the running month
-- stands at as_of_date. Everything is counted from the first sale to that day: no column adds up over months.
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

as_of_dates as (
    select
        dates.month_start_date,
        max(dates.date_day) as as_of_date
    from dates
    inner join bounds on dates.date_day between bounds.first_date and bounds.as_of_date
    group by dates.month_start_date
),

-- A return takes its money off on the day it is posted. It is no purchase: recency and frequency do not see it.
movements as (
    select
        identity_key,
        order_date as posted_date,
        order_date as sale_date,
        reporting_net_sales_amount as amount
    from orders
    union all
    select
        identity_key,
        refund_date as posted_date,
        null as sale_date,
        -reporting_returns_amount as amount
    from refunds
),

counted as (
    select
        as_of_dates.month_start_date,
        as_of_dates.as_of_date,
        movements.identity_key,
        min(movements.sale_date) as first_sale_date,
        max(movements.sale_date) as last_sale_date,
        count(movements.sale_date) as frequency,
        sum(movements.amount) as monetary_amount
    from as_of_dates
    inner join movements on as_of_dates.as_of_date >= movements.posted_date
    group by as_of_dates.month_start_date, as_of_dates.as_of_date, movements.identity_key
    having count(movements.sale_date) > 0
),

derived as (
    select
        *,
        {{ dbt_utils.generate_surrogate_key(['identity_key', 'month_start_date']) }} as customer_month_key,
        {{ dbt.datediff('last_sale_date', 'as_of_date', 'day') }}
            as recency_days,
        {{ dbt.last_day('as_of_date', 'month') }} as month_end_date
    from counted
),

final as (
    select
        -- keys
        derived.customer_month_key,
        derived.identity_key,
        derived.month_start_date,

        -- attributes
        derived.as_of_date,
        derived.first_sale_date,
        derived.last_sale_date,
        cast(derived.recency_days as integer) as recency_days,
        cast(derived.frequency as integer) as frequency,

        -- amounts
        {{ reporting_currency() }} as currency,
        {{ money('derived.monetary_amount') }} as monetary_amount,

        -- flags
        derived.as_of_date = bounds.as_of_date as is_latest,
        derived.as_of_date = derived.month_end_date as is_month_complete
    from derived
    cross join bounds
)

select * from final
