-- An event in two visits, or in none, makes the visits contradict the clicks.
with

events_by_visit as (
    select
        session_key,
        count(*) as event_count
    from {{ ref('fct_events') }}
    group by session_key
),

totals as (
    select
        'all' as session_key,
        (select count(*) from {{ ref('stg_files__clickstream_events') }}) as event_count,
        (select sum(event_count) from {{ ref('fct_sessions') }}) as session_event_count
)

select
    events_by_visit.session_key,
    events_by_visit.event_count,
    sessions.event_count as session_event_count
from events_by_visit
left join {{ ref('fct_sessions') }} as sessions on events_by_visit.session_key = sessions.session_key
where sessions.event_count is null or sessions.event_count <> events_by_visit.event_count
union all
select
    session_key,
    event_count,
    session_event_count
from totals
where event_count <> coalesce(session_event_count, 0)
