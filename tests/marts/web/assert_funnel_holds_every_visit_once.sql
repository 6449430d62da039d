-- A visit that the funnel counts twice or not at all makes its conversion rate contradict that of the visits.
with

visits as (
    select
        sessions.session_date,
        count(*) as session_count,
        sum(case when sessions.is_converted then 1 else 0 end) as purchase_session_count
    from {{ ref('fct_sessions') }} as sessions
    inner join {{ ref('int_calendar_bounds_derived') }} as bounds
        on sessions.session_date <= bounds.as_of_date
    group by sessions.session_date
),

funnel as (
    select
        session_date,
        sum(session_count) as session_count,
        sum(loose_purchase_session_count) as purchase_session_count
    from {{ ref('rpt_funnel_daily') }}
    group by session_date
)

select
    visits.session_date,
    visits.session_count,
    funnel.session_count as funnel_session_count,
    visits.purchase_session_count,
    funnel.purchase_session_count as funnel_purchase_session_count
from visits
left join funnel on visits.session_date = funnel.session_date
where
    funnel.session_count is null
    or funnel.session_count <> visits.session_count
    or funnel.purchase_session_count <> visits.purchase_session_count
