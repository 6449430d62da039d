-- The daily figures are what the shop is run by: each must be a sum over the ledger, to the cent.
with

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

ledger_by_day as (
    select
        ledger.posting_date as date_day,
        sum(case when ledger.movement_type = 'sale' then ledger.reporting_amount else 0 end) as gross_sales,
        -sum(case when ledger.movement_type = 'discount' then ledger.reporting_amount else 0 end) as discounts,
        -sum(case when ledger.movement_type = 'return' then ledger.reporting_amount else 0 end) as returned,
        sum(case when ledger.ledger_account = 'net_sales' then ledger.reporting_amount else 0 end) as net_sales,
        sum(case when ledger.ledger_account = 'shipping' then ledger.reporting_amount else 0 end) as shipping,
        sum(case when ledger.ledger_account = 'taxes' then ledger.reporting_amount else 0 end) as taxes,
        -sum(case when ledger.ledger_account = 'cost_of_goods' then ledger.reporting_amount else 0 end) as cogs
    from {{ ref('fct_sales_ledger') }} as ledger
    inner join bounds on ledger.posting_date <= bounds.as_of_date
    group by ledger.posting_date
),

compared as (
    select
        coalesce(daily_sales.date_day, ledger_by_day.date_day) as date_day,
        coalesce(daily_sales.gross_sales, 0) - coalesce(ledger_by_day.gross_sales, 0) as gross_sales_difference,
        coalesce(daily_sales.discounts, 0) - coalesce(ledger_by_day.discounts, 0) as discounts_difference,
        coalesce(daily_sales.returns, 0) - coalesce(ledger_by_day.returned, 0) as returns_difference,
        coalesce(daily_sales.net_sales, 0) - coalesce(ledger_by_day.net_sales, 0) as net_sales_difference,
        coalesce(daily_sales.shipping, 0) - coalesce(ledger_by_day.shipping, 0) as shipping_difference,
        coalesce(daily_sales.taxes, 0) - coalesce(ledger_by_day.taxes, 0) as taxes_difference,
        coalesce(daily_sales.cogs, 0) - coalesce(ledger_by_day.cogs, 0) as cogs_difference
    from {{ ref('agg_daily_sales') }} as daily_sales
    full outer join ledger_by_day on daily_sales.date_day = ledger_by_day.date_day
)

select * from compared
where
    gross_sales_difference <> 0
    or discounts_difference <> 0
    or returns_difference <> 0
    or net_sales_difference <> 0
    or shipping_difference <> 0
    or taxes_difference <> 0
    or cogs_difference <> 0
