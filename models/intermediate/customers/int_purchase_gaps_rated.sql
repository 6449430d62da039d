{%- set horizon_days = var('churn_horizon_days') %}

with

orders as (
    select * from {{ ref('fct_orders') }}
    where is_sale
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

risk_levels as (
    select * from {{ ref('churn_risk_levels') }}
),

-- Today, and the day on which the same question is asked again with today's knowledge of how it ended.
rating_dates as (
    select
        as_of_date,
        as_of_date as rating_date,
        true as is_latest
    from bounds
    union all
    select
        as_of_date,
        cast({{ dbt.dateadd('day', -horizon_days, 'as_of_date') }} as date) as rating_date,
        false as is_latest
    from bounds
),

-- Several orders on one day are one purchase.
purchase_days as (
    select distinct
        orders.identity_key,
        orders.order_date
    from orders
    inner join bounds on orders.order_date <= bounds.as_of_date
),

numbered as (
    select
        *,
        lag(order_date) over (partition by identity_key order by order_date) as previous_date,
        row_number() over (partition by identity_key order by order_date) as purchase_number
    from purchase_days
),

-- From the first to the second purchase, so that each customer counts once: over all gaps, the busiest would decide.
shop_gaps as (
    select
        rating_dates.rating_date,
        percentile_cont(0.5) within group (
            order by {{ dbt.datediff('numbered.previous_date', 'numbered.order_date', 'day') }}
        ) as median_gap_days
    from numbered
    inner join rating_dates on numbered.order_date <= rating_dates.rating_date
    where numbered.purchase_number = 2
    group by rating_dates.rating_date
),

purchases as (
    select
        purchase_days.identity_key,
        rating_dates.rating_date,
        rating_dates.as_of_date,
        rating_dates.is_latest,
        min(purchase_days.order_date) as first_sale_date,
        max(case when purchase_days.order_date <= rating_dates.rating_date then purchase_days.order_date end)
            as last_sale_date,
        count(case when purchase_days.order_date <= rating_dates.rating_date then 1 end) as purchase_days,
        max(case when purchase_days.order_date > rating_dates.rating_date then 1 else 0 end) = 0 as is_gone
    from purchase_days
    cross join rating_dates
    group by
        purchase_days.identity_key, rating_dates.rating_date, rating_dates.as_of_date, rating_dates.is_latest
),

rhythms as (
    select
        *,
        {{ dbt.datediff('first_sale_date', 'last_sale_date', 'day') }}
            as first_to_last_sale_days,
        {{ dbt.datediff('last_sale_date', 'rating_date', 'day') }}
            as recency_days
    from purchases
    where purchase_days > 0
),

-- Two gaps of the customer's own tell more than the shop's median; one does not.
measured as (
    select
        rhythms.*,
        rhythms.purchase_days >= 3 as is_own_gap,
        cast(
            case
                when rhythms.purchase_days >= 3
                    then {{ quotient('rhythms.first_to_last_sale_days', '(rhythms.purchase_days - 1)') }}
                else shop_gaps.median_gap_days
            end as decimal(18, 4)
        ) as usual_gap_days
    from rhythms
    left join shop_gaps on rhythms.rating_date = shop_gaps.rating_date
),

rated as (
    select
        *,
        {{ quotient('recency_days', 'usual_gap_days') }} as overdue_ratio
    from measured
),

final as (
    select
        rated.identity_key,
        rated.rating_date,
        rated.first_sale_date,
        rated.last_sale_date,
        cast(rated.purchase_days as integer) as purchase_days,
        cast(rated.recency_days as integer) as recency_days,
        rated.usual_gap_days,
        rated.overdue_ratio,
        risk_levels.risk_level,
        rated.is_own_gap,
        rated.is_latest,
        -- Nobody knows yet of today; and a shop younger than the horizon has nothing to look back at.
        case when not rated.is_latest then rated.is_gone end as is_gone
    from rated
    left join risk_levels
        on
            rated.overdue_ratio >= risk_levels.overdue_from
            and (rated.overdue_ratio < risk_levels.overdue_below or risk_levels.overdue_below is null)
)

select * from final
