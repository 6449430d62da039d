{% set as_of_date = var('as_of_date') %}
{% set as_of_expression = "cast('" ~ as_of_date ~ "' as date)" if as_of_date else 'orders.last_date' %}

with

orders as (
    select
        min(order_date) as first_date,
        max(order_date) as last_date
    from {{ ref('int_orders_dated') }}
),

-- A day more than the last moment in UTC, and a day less than the first: the store's own day may be another.
refunds as (
    select {{ dbt.dateadd('day', 1, 'cast(max(refunded_at) as date)') }} as last_date
    from {{ ref('stg_api__refunds') }}
),

payments as (
    select
        {{ dbt.dateadd('day', -1, 'cast(min(created_at) as date)') }} as first_date,
        {{ dbt.dateadd('day', 1, 'cast(max(created_at) as date)') }} as last_date
    from {{ ref('stg_api__payments') }}
),

-- "Now" is what the data or the person says, never the clock: the same data give the same answer on any day.
final as (
    select
        orders.first_date,
        cast(least(orders.first_date, payments.first_date) as date) as calendar_start_date,
        {{ as_of_expression }} as as_of_date,
        cast(greatest(orders.last_date, refunds.last_date, payments.last_date) as date) as last_date
    from orders
    cross join refunds
    cross join payments
)

select * from final
