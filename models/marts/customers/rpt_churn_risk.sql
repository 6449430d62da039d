-- One row per customer with at least one sale up to as_of_date: how overdue the next purchase is. The level compares
-- the silence with the usual gap; what happened to customers of that level before stands beside it.
with

ratings as (
    select * from {{ ref('int_purchase_gaps_rated') }}
),

lifetime_values as (
    select * from {{ ref('rpt_customer_lifetime_value') }}
),

outcomes_by_level as (
    select
        risk_level,
        count(*) as observed_customers,
        count(case when is_gone then 1 end) as observed_gone
    from ratings
    where not is_latest
    group by risk_level
),

final as (
    select
        -- keys
        ratings.identity_key,

        -- attributes
        ratings.rating_date as as_of_date,
        ratings.risk_level,
        ratings.first_sale_date,
        ratings.last_sale_date,
        ratings.purchase_days,
        ratings.recency_days,
        ratings.usual_gap_days,
        ratings.overdue_ratio,
        cast(coalesce(outcomes_by_level.observed_customers, 0) as integer) as observed_customers,
        {{ quotient('100 * outcomes_by_level.observed_gone', 'outcomes_by_level.observed_customers') }}
            as observed_gone_pct,

        -- amounts
        lifetime_values.currency,
        lifetime_values.net_sales_amount,

        -- flags
        ratings.is_own_gap
    from ratings
    inner join lifetime_values on ratings.identity_key = lifetime_values.identity_key
    left join outcomes_by_level on ratings.risk_level = outcomes_by_level.risk_level
    where ratings.is_latest
)

select * from final
