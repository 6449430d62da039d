-- One row per group of customers, scored or left out: together they are every customer and every sale.
with

customers as (
    select * from {{ ref('dim_customers') }}
),

scored_customers as (
    select * from {{ ref('rpt_customer_rfm') }}
),

orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

sales_by_identity as (
    select
        identity_key,
        count(*) as orders
    from orders
    group by identity_key
),

grouped as (
    select
        case
            when scored_customers.identity_key is not null then 'scored'
            when sales_by_identity.identity_key is not null then 'first sale after as_of_date'
            else 'no sale'
        end as customer_group,
        scored_customers.frequency,
        scored_customers.monetary_amount,
        sales_by_identity.orders
    from customers
    left join scored_customers on customers.identity_key = scored_customers.identity_key
    left join sales_by_identity on customers.identity_key = sales_by_identity.identity_key
),

final as (
    select
        customer_group,
        cast(count(*) as integer) as customers,
        cast(coalesce(sum(orders), 0) as integer) as orders,
        cast(coalesce(sum(frequency), 0) as integer) as scored_orders,
        {{ money('coalesce(sum(monetary_amount), 0)') }} as scored_amount
    from grouped
    group by customer_group
)

select * from final
