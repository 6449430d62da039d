-- If this fails, products, coupons or seasons show sales that the ledger does not know, or miss some.
with

ledger as (
    select
        ledger.*,
        dates.month_start_date,
        dates.week_start_date,
        bounds.first_date,
        bounds.as_of_date,
        {{ dbt.dateadd('day', 6, 'dates.week_start_date') }} as week_end_date
    from {{ ref('fct_sales_ledger') }} as ledger
    inner join {{ ref('int_calendar_bounds_derived') }} as bounds on ledger.posting_date <= bounds.as_of_date
    inner join {{ ref('dim_dates') }} as dates on ledger.posting_date = dates.date_day
    where ledger.ledger_account in ('net_sales', 'cost_of_goods')
),

figures as (
    {% for report in ['rpt_product_performance', 'rpt_discount_performance'] %}
    select
        '{{ report }}' as report,
        month_start_date,
        gross_sales,
        -discounts as discounts,
        -returns as returned,
        gross_profit
    from {{ ref(report) }}
    union all
    select
        '{{ report }}' as report,
        month_start_date,
        case when movement_type = 'sale' then -reporting_amount else 0 end as gross_sales,
        case when movement_type = 'discount' then -reporting_amount else 0 end as discounts,
        case when movement_type = 'return' then -reporting_amount else 0 end as returned,
        -reporting_amount as gross_profit
    from ledger
    union all
    {% endfor %}
    select
        'rpt_seasonality by hour' as report,
        null as month_start_date,
        sales_amount as gross_sales,
        0 as discounts,
        0 as returned,
        0 as gross_profit
    from {{ ref('rpt_seasonality') }}
    where season_type = 'hour'
    union all
    select
        'rpt_seasonality by hour' as report,
        null as month_start_date,
        -reporting_amount as gross_sales,
        0 as discounts,
        0 as returned,
        0 as gross_profit
    from ledger
    where movement_type in ('sale', 'discount')
    union all
    select
        'rpt_seasonality by weekday' as report,
        null as month_start_date,
        sales_amount as gross_sales,
        0 as discounts,
        0 as returned,
        0 as gross_profit
    from {{ ref('rpt_seasonality') }}
    where season_type = 'weekday'
    union all
    select
        'rpt_seasonality by weekday' as report,
        null as month_start_date,
        -reporting_amount as gross_sales,
        0 as discounts,
        0 as returned,
        0 as gross_profit
    from ledger
    where movement_type in ('sale', 'discount') and week_start_date >= first_date and week_end_date <= as_of_date
)

select
    report,
    month_start_date,
    sum(gross_sales) as gross_sales_difference,
    sum(discounts) as discounts_difference,
    sum(returned) as returns_difference,
    sum(gross_profit) as gross_profit_difference
from figures
group by report, month_start_date
having sum(gross_sales) <> 0 or sum(discounts) <> 0 or sum(returned) <> 0 or sum(gross_profit) <> 0
