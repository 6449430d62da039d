-- One row per event of the site. A purchase event is what a browser said: revenue comes from fct_orders, never from
-- here.
with

{% call touched('visitor_key') %}
{{ changed('int_events_identified', 'visitor_key') }}
{% endcall %}

events as (
    select * from {{ touched_rows(ref('int_events_identified'), 'visitor_key') }}
),

final as (
    select
        -- keys
        event_id,
        session_key,
        visitor_key,
        identity_key,
        provider_session_id,
        customer_id,
        product_id,
        order_id,

        -- attributes
        event_type,
        {{ to_local_date('event_at', reporting_timezone()) }} as event_date,
        cast(session_number as integer) as session_number,
        cast(event_number as integer) as event_number,
        identity_source,
        -- Query strings may name a person.
        {{ dbt.split_part('page_url', "'?'", 1) }} as page_url,
        quantity,

        -- flags
        received_at > occurred_at + interval '{{ var("late_event_minutes") }}' minute as is_late,
        occurred_at > received_at as is_clock_ahead,

        -- timestamps
        event_at,
        occurred_at,
        received_at
    from events
)

select * from final
{{ stored_by('occurred_at') }}
