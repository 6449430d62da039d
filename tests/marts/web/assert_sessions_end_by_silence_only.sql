-- Visits cut at midnight or by the provider, or glued over a long silence, bend every rate that is divided by visits.
with

events_in_order as (
    select
        event_id,
        visitor_key,
        session_key,
        event_at,
        lag(session_key) over (
            partition by visitor_key order by event_at, session_number, event_number
        ) as previous_session_key,
        lag(event_at) over (
            partition by visitor_key order by event_at, session_number, event_number
        ) as previous_event_at
    from {{ ref('fct_events') }}
)

select *
from events_in_order
where
    previous_event_at is not null
    and (session_key = previous_session_key)
    <> (event_at <= previous_event_at + interval '{{ var("session_gap_minutes") }}' minute)
