-- If this fails, the daily report shows money that no order line and no refund stands for, or misses some.
with

lines_by_day as (
    select
        order_date as date_day,
        sum(reporting_gross_sales_amount) as gross_sales,
        sum(reporting_discount_amount) as discounts,
        sum(reporting_tax_amount) as taxes,
        sum(coalesce(reporting_cogs_amount, 0)) as cogs
    from {{ ref('fct_order_lines') }}
    where is_sale
    group by order_date
),

refunds_by_day as (
    select
        refund_date as date_day,
        sum(reporting_returns_amount) as returns_amount,
        sum(reporting_tax_refund_amount) as tax_refunded,
        sum(reporting_cogs_return_amount) as cogs_returned
    from {{ ref('fct_refunds') }}
    where is_sale
    group by refund_date
),

compared as (
    select
        daily_sales.date_day,
        daily_sales.gross_sales - coalesce(lines_by_day.gross_sales, 0) as gross_sales_difference,
        daily_sales.discounts - coalesce(lines_by_day.discounts, 0) as discounts_difference,
        daily_sales.taxes - coalesce(lines_by_day.taxes, 0) + coalesce(refunds_by_day.tax_refunded, 0)
            as taxes_difference,
        daily_sales.returns - coalesce(refunds_by_day.returns_amount, 0) as returns_difference,
        daily_sales.cogs - coalesce(lines_by_day.cogs, 0) + coalesce(refunds_by_day.cogs_returned, 0) as cogs_difference
    from {{ ref('agg_daily_sales') }} as daily_sales
    left join lines_by_day on daily_sales.date_day = lines_by_day.date_day
    left join refunds_by_day on daily_sales.date_day = refunds_by_day.date_day
)

select * from compared
where
    gross_sales_difference <> 0
    or discounts_difference <> 0
    or taxes_difference <> 0
    or returns_difference <> 0
    or cogs_difference <> 0
