-- One row per customer and month, from the month of the first sale on; the running month stands at as_of_date.
-- Scores compare the customers of one date with each other: a customer's score can change while the customer rests.
{% set quintiles = {2: 0.2, 3: 0.4, 4: 0.6, 5: 0.8} %}

with

{% call touched('month_start_date') %}
{{ changed('agg_customers_monthly', 'month_start_date') }}
{% endcall %}

measured as (
    select * from {{ touched_rows(ref('agg_customers_monthly'), 'month_start_date') }}
),

fixed_cut_points as (
    select * from {{ ref('rfm_fixed_cut_points') }}
),

segments as (
    select * from {{ ref('int_rfm_segments_matched_to_scores') }}
    where scheme = '{{ var("rfm_segment_scheme") }}'
),

value_tiers as (
    select * from {{ ref('customer_value_tiers') }}
),

as_of_dates as (
    select distinct as_of_date from measured
),

-- For scores 2 to 5: the recency to stay below, the frequency and the money to reach.
cut_points as (
    select
        'quantile' as scoring_method,
        {% for score in quintiles -%}
        {{ rfm_quantile_cut_point('recency_days', quintiles[7 - score]) }} as recency_below_{{ score }},
        {{ rfm_quantile_cut_point('frequency', quintiles[score]) }} as frequency_from_{{ score }},
        {{ rfm_quantile_cut_point('monetary_amount', quintiles[score]) }} as monetary_from_{{ score }},
        {% endfor -%}
        as_of_date
    from measured
    group by as_of_date
    union all
    select
        'fixed' as scoring_method,
        {% for score in quintiles -%}
        max(case when fixed_cut_points.score = {{ score }} then fixed_cut_points.recency_days_below end),
        max(case when fixed_cut_points.score = {{ score }} then fixed_cut_points.frequency_from end),
        max(case when fixed_cut_points.score = {{ score }} then fixed_cut_points.monetary_from end),
        {% endfor -%}
        as_of_dates.as_of_date
    from as_of_dates
    cross join fixed_cut_points
    group by as_of_dates.as_of_date
),

scored as (
    select
        measured.*,
        {{ rfm_score('recency_days', 'recency_below', lower_is_better=true) }} as recency_score,
        {{ rfm_score('frequency', 'frequency_from') }} as frequency_score,
        {{ rfm_score('monetary_amount', 'monetary_from') }} as monetary_score
    from measured
    left join cut_points
        on
            measured.as_of_date = cut_points.as_of_date
            and cut_points.scoring_method = '{{ rfm_scoring_method() }}'
),

final as (
    select
        -- keys
        scored.customer_month_key,
        scored.identity_key,
        scored.month_start_date,

        -- attributes
        scored.as_of_date,
        segments.segment,
        value_tiers.value_tier,
        scored.first_sale_date,
        scored.last_sale_date,
        '{{ rfm_scoring_method() }}' as scoring_method,

        -- amounts
        scored.recency_days,
        scored.frequency,
        scored.monetary_amount,
        scored.currency,
        cast(scored.recency_score as integer) as recency_score,
        cast(scored.frequency_score as integer) as frequency_score,
        cast(scored.monetary_score as integer) as monetary_score,
        cast(100 * scored.recency_score + 10 * scored.frequency_score + scored.monetary_score as integer) as rfm_cell,

        -- flags
        scored.is_latest,
        scored.is_month_complete
    from scored
    left join segments
        on
            scored.recency_score = segments.recency_score
            and scored.frequency_score = segments.frequency_score
            and scored.monetary_score = segments.monetary_score
    left join value_tiers
        on
            (scored.monetary_amount > value_tiers.monetary_above or value_tiers.monetary_above is null)
            and (scored.monetary_amount <= value_tiers.monetary_up_to or value_tiers.monetary_up_to is null)
)

select * from final
