-- If this fails, chance decides which of two equal customers looks better (ntile does that, and says so).
{%- set reports = ['rpt_customer_rfm', 'rpt_customer_rfm_history'] %}

with

scores as (
    {% for report in reports %}
    select
        '{{ report }}' as report,
        identity_key,
        as_of_date,
        recency_days,
        frequency,
        monetary_amount,
        recency_score,
        frequency_score,
        monetary_score
    from {{ ref(report) }}
    where scoring_method <> 'ntile'
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

compared as (
    select
        *,
        min(recency_score) over (partition by report, as_of_date, recency_days) as lowest_recency_score,
        min(frequency_score) over (partition by report, as_of_date, frequency) as lowest_frequency_score,
        min(monetary_score) over (partition by report, as_of_date, monetary_amount) as lowest_monetary_score
    from scores
)

select * from compared
where
    recency_score > lowest_recency_score
    or frequency_score > lowest_frequency_score
    or monetary_score > lowest_monetary_score
