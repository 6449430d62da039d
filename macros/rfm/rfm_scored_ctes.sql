{#
    The CTE `scored`, with a comma after it: every column of the CTE `measured` (identity_key, as_of_date, recency_days,
    frequency, monetary_amount and what else it has), its scores among the customers of the same as_of_date, and what
    they are called.
#}
{% macro rfm_scored_ctes() -%}
{%- set quintiles = {2: 0.2, 3: 0.4, 4: 0.6, 5: 0.8} -%}
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

metrics_scored as (
    select
        measured.*,
        '{{ rfm_scoring_method() }}' as scoring_method,
        cast({{ rfm_score('recency_days', 'recency_below', lower_is_better=true) }} as integer) as recency_score,
        cast({{ rfm_score('frequency', 'frequency_from') }} as integer) as frequency_score,
        cast({{ rfm_score('monetary_amount', 'monetary_from') }} as integer) as monetary_score
    from measured
    left join cut_points
        on
            measured.as_of_date = cut_points.as_of_date
            and cut_points.scoring_method = '{{ rfm_scoring_method() }}'
),

scored as (
    select
        metrics_scored.*,
        cast(
            100 * metrics_scored.recency_score + 10 * metrics_scored.frequency_score + metrics_scored.monetary_score
            as integer
        ) as rfm_cell,
        segments.segment,
        value_tiers.value_tier
    from metrics_scored
    left join segments
        on
            metrics_scored.recency_score = segments.recency_score
            and metrics_scored.frequency_score = segments.frequency_score
            and metrics_scored.monetary_score = segments.monetary_score
    left join value_tiers
        on
            (metrics_scored.monetary_amount > value_tiers.monetary_above or value_tiers.monetary_above is null)
            and (
                metrics_scored.monetary_amount <= value_tiers.monetary_up_to
                or value_tiers.monetary_up_to is null
            )
),
{%- endmacro %}
