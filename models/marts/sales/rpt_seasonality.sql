-- One row per weekday, month, hour or holiday: what it sold, what an average one would have, and the index of the two
-- (100 is average). Sales are before returns, on the day of the order; each type looks at full periods only.
with

orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

stores as (
    select * from {{ ref('dim_stores') }}
),

dates as (
    select * from {{ ref('dim_dates') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

seasons as (
    select * from {{ ref('seasons') }}
),

orders_timed as (
    select
        orders.order_date,
        orders.reporting_net_sales_amount as sales_amount,
        {{ to_local_hour('orders.ordered_at', 'stores.timezone') }} as hour_of_day
    from orders
    inner join stores on orders.store_id = stores.store_id
    inner join bounds on orders.order_date <= bounds.as_of_date
),

orders_by_day as (
    select
        order_date,
        count(*) as orders,
        sum(sales_amount) as sales_amount
    from orders_timed
    group by order_date
),

orders_by_hour as (
    select
        hour_of_day,
        count(*) as orders,
        sum(sales_amount) as sales_amount
    from orders_timed
    group by hour_of_day
),

days as (
    select
        dates.*,
        {{ dbt.dateadd('day', 6, 'dates.week_start_date') }} as week_end_date,
        {{ dbt.dateadd('day', -28, 'dates.date_day') }} as baseline_start_date,
        bounds.first_date,
        bounds.as_of_date,
        coalesce(orders_by_day.orders, 0) as orders,
        coalesce(orders_by_day.sales_amount, 0) as sales_amount
    from dates
    inner join bounds on dates.date_day between bounds.first_date and bounds.as_of_date
    left join orders_by_day on dates.date_day = orders_by_day.order_date
),

calendar_length as (
    select count(*) as observed_days from days
),

-- Whole years only, back from the last full month: each month as often as any other.
full_months as (
    select
        month_start_date,
        row_number() over (order by month_start_date desc) as months_back,
        count(*) over () as full_month_count
    from days
    where month_start_date >= first_date and month_end_date <= as_of_date
    group by month_start_date
),

sums_by_season as (
    select
        'weekday' as season_type,
        day_of_week as season_number,
        count(*) as observed_days,
        sum(orders) as orders,
        sum(sales_amount) as sales_amount
    from days
    where week_start_date >= first_date and week_end_date <= as_of_date
    group by day_of_week
    union all
    select
        'month' as season_type,
        days.calendar_month as season_number,
        count(*) as observed_days,
        sum(days.orders) as orders,
        sum(days.sales_amount) as sales_amount
    from days
    inner join full_months on days.month_start_date = full_months.month_start_date
    where full_months.months_back <= full_months.full_month_count - mod(full_months.full_month_count, 12)
    group by days.calendar_month
    union all
    select
        seasons.season_type,
        seasons.season_number,
        calendar_length.observed_days,
        coalesce(orders_by_hour.orders, 0) as orders,
        coalesce(orders_by_hour.sales_amount, 0) as sales_amount
    from seasons
    cross join calendar_length
    left join orders_by_hour on seasons.season_number = orders_by_hour.hour_of_day
    where seasons.season_type = 'hour'
),

totals_by_type as (
    select
        season_type,
        sum(observed_days) as observed_days,
        sum(orders) as orders,
        sum(sales_amount) as sales_amount
    from sums_by_season
    group by season_type
),

-- A holiday is held against the ordinary days of the four weeks before it, for other seasons move sales as well.
holidays as (
    select
        holiday.date_day,
        holiday.holiday_name,
        holiday.orders,
        holiday.sales_amount,
        avg({{ dbt.cast('ordinary.orders', 'double precision') }}) as expected_orders,
        avg({{ dbt.cast('ordinary.sales_amount', 'double precision') }}) as expected_sales_amount
    from days as holiday
    inner join days as ordinary
        on
            holiday.baseline_start_date <= ordinary.date_day
            and holiday.date_day > ordinary.date_day
    where holiday.is_holiday and not ordinary.is_holiday and holiday.baseline_start_date >= holiday.first_date
    group by holiday.date_day, holiday.holiday_name, holiday.orders, holiday.sales_amount
),

compared as (
    select
        sums_by_season.season_type,
        sums_by_season.season_number,
        seasons.season_name,
        sums_by_season.observed_days,
        sums_by_season.orders,
        sums_by_season.sales_amount,
        -- floats, because Spark would round these decimals before they are divided by once more
        {{ dbt.cast('sums_by_season.observed_days * totals_by_type.orders', 'double precision') }}
        / nullif(totals_by_type.observed_days, 0) as expected_orders,
        {{ dbt.cast('sums_by_season.observed_days * totals_by_type.sales_amount', 'double precision') }}
        / nullif(totals_by_type.observed_days, 0) as expected_sales_amount
    from sums_by_season
    inner join totals_by_type
        on
            sums_by_season.season_type = totals_by_type.season_type
            and totals_by_type.observed_days > 0
    inner join seasons
        on
            sums_by_season.season_type = seasons.season_type
            and sums_by_season.season_number = seasons.season_number
    union all
    select
        'holiday' as season_type,
        null as season_number,
        holiday_name as season_name,
        count(*) as observed_days,
        sum(orders) as orders,
        sum(sales_amount) as sales_amount,
        sum(expected_orders) as expected_orders,
        sum(expected_sales_amount) as expected_sales_amount
    from holidays
    group by holiday_name
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['season_type', 'season_name']) }} as season_key,

        -- attributes
        season_type,
        cast(season_number as integer) as season_number,
        season_name,
        cast(observed_days as integer) as observed_days,

        -- orders
        cast(orders as integer) as orders,
        cast(expected_orders as decimal(18, 4)) as expected_orders,
        cast(100 * orders / nullif(expected_orders, 0) as decimal(18, 4)) as orders_index,

        -- amounts
        {{ reporting_currency() }} as currency,
        {{ money('sales_amount') }} as sales_amount,
        cast(expected_sales_amount as decimal(18, 4)) as expected_sales_amount,
        cast(100 * sales_amount / nullif(expected_sales_amount, 0) as decimal(18, 4)) as sales_index
    from compared
)

select * from final
