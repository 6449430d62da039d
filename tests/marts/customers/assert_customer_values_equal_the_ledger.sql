-- What a customer is worth must be a sum over the ledger, to the cent: money that went back counts for nobody.
with

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

ledger_by_customer as (
    select
        ledger.identity_key,
        sum(ledger.reporting_amount) as net_sales_amount
    from {{ ref('fct_sales_ledger') }} as ledger
    inner join bounds on ledger.posting_date <= bounds.as_of_date
    where ledger.ledger_account = 'net_sales'
    group by ledger.identity_key
),

compared as (
    select
        lifetime_values.identity_key,
        coalesce(ledger_by_customer.net_sales_amount, 0) as ledger_amount,
        lifetime_values.net_sales_amount as lifetime_amount,
        rfm.monetary_amount as rfm_amount
    from {{ ref('rpt_customer_lifetime_value') }} as lifetime_values
    left join {{ ref('rpt_customer_rfm') }} as rfm on lifetime_values.identity_key = rfm.identity_key
    left join ledger_by_customer on lifetime_values.identity_key = ledger_by_customer.identity_key
)

select * from compared
where
    lifetime_amount <> ledger_amount
    or rfm_amount is null
    or rfm_amount <> ledger_amount
