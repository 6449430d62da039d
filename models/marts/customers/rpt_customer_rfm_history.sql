-- One row per customer and month, from the month of the first sale on; the running month is rpt_customer_rfm.
-- Unless rfm_scoring is fixed, scores compare the customers of one date with each other: a customer's score can change
-- because others bought more.
with

{% call touched('month_start_date') %}
{{ changed('agg_customers_monthly', 'month_start_date') }}
{% endcall %}

measured as (
    select * from {{ touched_rows(ref('agg_customers_monthly'), 'month_start_date') }}
),

{{ rfm_scored_ctes() }}

final as (
    select
        -- keys
        customer_month_key,
        identity_key,
        month_start_date,

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
