-- On the last day of a month two reports answer "how good is this customer today?": if this fails, they contradict each
-- other. On other days it finds nothing, so test_as_of_date_reproduces_a_past_day asks it on a month's last day.
with

today as (
    select rfm.*
    from {{ ref('rpt_customer_rfm') }} as rfm
    inner join {{ ref('dim_dates') }} as dates on rfm.as_of_date = dates.date_day
    where dates.date_day = dates.month_end_date
),

month_end as (
    select * from {{ ref('rpt_customer_rfm_history') }}
    where as_of_date = (select max(today.as_of_date) from today)
)

select
    coalesce(today.identity_key, month_end.identity_key) as identity_key,
    today.recency_days,
    month_end.recency_days as month_end_recency_days,
    today.frequency,
    month_end.frequency as month_end_frequency,
    today.monetary_amount,
    month_end.monetary_amount as month_end_monetary_amount,
    today.rfm_cell,
    month_end.rfm_cell as month_end_rfm_cell,
    today.segment,
    month_end.segment as month_end_segment,
    today.value_tier,
    month_end.value_tier as month_end_value_tier
from today
full outer join month_end on today.identity_key = month_end.identity_key
where
    today.identity_key is null
    or month_end.identity_key is null
    or today.first_sale_date <> month_end.first_sale_date
    or today.last_sale_date <> month_end.last_sale_date
    or today.recency_days <> month_end.recency_days
    or today.frequency <> month_end.frequency
    or today.monetary_amount <> month_end.monetary_amount
    or today.rfm_cell <> month_end.rfm_cell
    or today.segment <> month_end.segment
    or today.value_tier <> month_end.value_tier
