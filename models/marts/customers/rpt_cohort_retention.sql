-- One row per cohort and month since its first sale. Cells that lie in the running month or later are null, not 0.
-- Do not average retention_pct over cohorts: add up active_customers and cohort_customers of the same cells.
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

months as (
    select distinct
        dates.month_start_date,
        dates.month_end_date <= bounds.as_of_date as is_complete,
        {{ dbt.datediff('bounds.first_date', 'dates.month_start_date', 'month') }}
            as month_number
    from dates
    inner join bounds on dates.date_day between bounds.first_date and bounds.as_of_date
),

customers as (
    select
        orders.identity_key,
        orders.order_month as cohort_month
    from orders
    inner join bounds on orders.order_date <= bounds.as_of_date
    where orders.is_first_sale
),

cohorts as (
    select
        cohort_month,
        count(*) as cohort_customers
    from customers
    group by cohort_month
),

movements as (
    select
        identity_key,
        order_month as month_start_date,
        order_id,
        reporting_net_sales_amount as amount
    from orders
    union all
    select
        identity_key,
        cast({{ dbt.date_trunc('month', 'refund_date') }} as date) as month_start_date,
        null as order_id,
        -reporting_returns_amount as amount
    from refunds
),

activity as (
    select
        customers.cohort_month,
        movements.month_start_date,
        count(distinct case when movements.order_id is not null then movements.identity_key end) as active_customers,
        count(movements.order_id) as orders,
        sum(movements.amount) as net_sales_amount
    from movements
    inner join customers on movements.identity_key = customers.identity_key
    group by customers.cohort_month, movements.month_start_date
),

-- Every cohort with every age that the oldest cohort has reached: a table without holes, ready to be turned.
cells as (
    select
        cohorts.cohort_month,
        cohorts.cohort_customers,
        months.month_number,
        cast({{ dbt.dateadd('month', 'months.month_number', 'cohorts.cohort_month') }} as date) as month_start_date
    from cohorts
    cross join months
),

filled as (
    select
        cells.*,
        coalesce(months.is_complete, false) as is_ripe,
        case when months.is_complete then coalesce(activity.active_customers, 0) end as active_customers,
        case when months.is_complete then coalesce(activity.orders, 0) end as orders,
        case when months.is_complete then coalesce(activity.net_sales_amount, 0) end as net_sales_amount
    from cells
    left join months on cells.month_start_date = months.month_start_date
    left join activity
        on
            cells.cohort_month = activity.cohort_month
            and cells.month_start_date = activity.month_start_date
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['cohort_month', 'month_number']) }} as cohort_cell_key,
        cohort_month,
        cast(month_number as integer) as month_number,

        -- attributes
        month_start_date,
        cast(cohort_customers as integer) as cohort_customers,

        -- amounts
        cast(active_customers as integer) as active_customers,
        {{ quotient('100 * active_customers', 'cohort_customers') }} as retention_pct,
        cast(orders as integer) as orders,
        {{ reporting_currency() }} as currency,
        {{ money('net_sales_amount') }} as net_sales_amount,

        -- flags
        is_ripe
    from filled
)

select * from final
