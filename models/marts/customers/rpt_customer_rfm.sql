-- One row per customer with at least one sale up to as_of_date; who is left out is counted in rpt_customer_rfm_control.
-- Scores rank today's customers, or tell which limits they pass where rfm_scoring is fixed: never add them up.
with

measured as (
    select * from {{ ref('int_customers_measured_to_date') }}
),

{{ rfm_scored_ctes() }}

final as (
    select
        -- keys
        identity_key,

        -- attributes
        as_of_date,
        segment,
        value_tier,
        first_sale_date,
        last_sale_date,
        scoring_method,

        -- amounts
        recency_days,
        frequency,
        monetary_amount,
        currency,
        recency_score,
        frequency_score,
        monetary_score,
        rfm_cell
    from scored
)

select * from final
