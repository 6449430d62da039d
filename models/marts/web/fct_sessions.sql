-- One row per visit: events of one visitor with no silence of more than 30 minutes between them, across midnight too.
-- The provider counts its sessions otherwise; provider_session_count and is_same_as_provider say where we differ.
with

-- Visitors who share a session of the provider's are counted together.
{% call touched('visitor_key') %}
{{ changed('fct_events', 'visitor_key') }}
union all
select visitor_key from {{ ref('fct_events') }}
where provider_session_id in ({{ changed('fct_events', 'provider_session_id') }})
union all
select visitor_key from {{ ref('fct_events') }}
where provider_session_id in ({{ changed('int_provider_sessions_enriched', 'provider_session_id') }})
{% endcall %}

events as (
    select * from {{ touched_rows(ref('fct_events'), 'visitor_key') }}
),

provider_sessions as (
    select * from {{ touched_rows(ref('int_provider_sessions_enriched'), 'provider_session_id', 'events') }}
),

provider_sessions_measured as (
    select
        provider_session_id,
        count(*) as event_count,
        count(distinct session_key) as session_count
    from {{ touched_rows(ref('fct_events'), 'provider_session_id', 'events') }}
    where provider_session_id is not null
    group by provider_session_id
),

-- A visit came from where its first event with a provider's session came from.
sources_ranked as (
    select
        session_key,
        provider_session_id,
        row_number() over (partition by session_key order by event_number) as source_rank
    from events
    where provider_session_id is not null
),

events_by_session as (
    select
        session_key,
        min(visitor_key) as visitor_key,
        min(identity_key) as identity_key,
        min(identity_source) as identity_source,
        min(session_number) as session_number,
        count(*) as event_count,
        count(case when event_type = 'page_view' then 1 end) as page_view_count,
        count(case when event_type = 'product_view' then 1 end) as product_view_count,
        count(case when event_type = 'add_to_cart' then 1 end) as add_to_cart_count,
        count(case when event_type = 'begin_checkout' then 1 end) as checkout_count,
        count(case when event_type = 'purchase' then 1 end) as purchase_count,
        count(distinct product_id) as product_count,
        count(distinct provider_session_id) as provider_session_count,
        max(case when is_late then 1 else 0 end) = 1 as has_late_events,
        min(event_at) as started_at,
        max(event_at) as ended_at,
        min(event_date) as session_date
    from events
    group by session_key
),

final as (
    select
        -- keys
        events_by_session.session_key,
        events_by_session.visitor_key,
        events_by_session.identity_key,
        sources_ranked.provider_session_id,

        -- attributes
        events_by_session.session_date,
        cast(events_by_session.session_number as integer) as session_number,
        events_by_session.identity_source,
        coalesce(provider_sessions.device, '(unknown)') as device,
        coalesce(provider_sessions.traffic_source, '(unknown)') as traffic_source,
        coalesce(provider_sessions.traffic_medium, '(unknown)') as traffic_medium,
        provider_sessions.traffic_campaign,
        provider_sessions.landing_page_url,
        cast(events_by_session.event_count as integer) as event_count,
        cast(events_by_session.page_view_count as integer) as page_view_count,
        cast(events_by_session.product_view_count as integer) as product_view_count,
        cast(events_by_session.add_to_cart_count as integer) as add_to_cart_count,
        cast(events_by_session.checkout_count as integer) as checkout_count,
        cast(events_by_session.purchase_count as integer) as purchase_count,
        cast(events_by_session.product_count as integer) as product_count,
        cast(events_by_session.provider_session_count as integer) as provider_session_count,
        cast({{ seconds_between('events_by_session.started_at', 'events_by_session.ended_at') }} as integer)
            as duration_seconds,

        -- flags
        events_by_session.event_count = 1 as is_bounce,
        events_by_session.purchase_count > 0 as is_converted,
        coalesce(provider_sessions.is_direct, false) as is_direct,
        events_by_session.has_late_events,
        coalesce(
            events_by_session.provider_session_count = 1
            and provider_sessions_measured.session_count = 1
            and provider_sessions_measured.event_count = events_by_session.event_count,
            false
        ) as is_same_as_provider,

        -- timestamps
        events_by_session.started_at,
        events_by_session.ended_at
    from events_by_session
    left join sources_ranked
        on
            events_by_session.session_key = sources_ranked.session_key
            and sources_ranked.source_rank = 1
    left join provider_sessions on sources_ranked.provider_session_id = provider_sessions.provider_session_id
    left join provider_sessions_measured
        on sources_ranked.provider_session_id = provider_sessions_measured.provider_session_id
)

select * from final
{{ stored_by('started_at') }}
