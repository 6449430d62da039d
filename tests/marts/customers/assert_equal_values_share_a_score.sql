-- If this fails, chance decides which of two equal customers looks better (ntile does that, and says so).
with

history as (
    select * from {{ ref('rpt_customer_rfm_history') }}
    where scoring_method <> 'ntile'
),

compared as (
    select
        identity_key,
        as_of_date,
        recency_days,
        frequency,
        monetary_amount,
        recency_score,
        frequency_score,
        monetary_score,
        min(recency_score) over (partition by as_of_date, recency_days) as lowest_recency_score,
        min(frequency_score) over (partition by as_of_date, frequency) as lowest_frequency_score,
        min(monetary_score) over (partition by as_of_date, monetary_amount) as lowest_monetary_score
    from history
)

select * from compared
where
    recency_score > lowest_recency_score
    or frequency_score > lowest_frequency_score
    or monetary_score > lowest_monetary_score
