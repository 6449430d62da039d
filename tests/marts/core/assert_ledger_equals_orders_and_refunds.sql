-- The ledger is what every revenue figure is checked against: if it drifts from the orders and refunds, nothing holds.
-- In order currency, what it holds of an order is what the customer owed, and of a refund what went back.
with

ledger_by_order as (
    select
        order_id,
        sum(amount) as amount,
        sum(reporting_amount) as reporting_amount
    from {{ ref('fct_sales_ledger') }}
    where refund_id is null and ledger_account <> 'cost_of_goods'
    group by order_id
),

ledger_by_refund as (
    select
        refund_id,
        -sum(amount) as amount,
        -sum(reporting_amount) as reporting_amount
    from {{ ref('fct_sales_ledger') }}
    where refund_id is not null and ledger_account <> 'cost_of_goods'
    group by refund_id
),

compared as (
    select
        'order' as origin,
        cast(orders.order_id as {{ dbt.type_string() }}) as origin_id,
        orders.total_amount as fact_amount,
        ledger_by_order.amount as ledger_amount,
        orders.reporting_total_amount as fact_reporting_amount,
        ledger_by_order.reporting_amount as ledger_reporting_amount
    from {{ ref('fct_orders') }} as orders
    left join ledger_by_order on orders.order_id = ledger_by_order.order_id
    where orders.is_sale
    union all
    select
        'refund' as origin,
        refunds.refund_id as origin_id,
        refunds.total_refund_amount as fact_amount,
        ledger_by_refund.amount as ledger_amount,
        refunds.reporting_total_refund_amount as fact_reporting_amount,
        ledger_by_refund.reporting_amount as ledger_reporting_amount
    from {{ ref('fct_refunds') }} as refunds
    left join ledger_by_refund on refunds.refund_id = ledger_by_refund.refund_id
    where refunds.is_sale
)

select * from compared
where
    fact_amount <> coalesce(ledger_amount, 0)
    or fact_reporting_amount <> coalesce(ledger_reporting_amount, 0)
