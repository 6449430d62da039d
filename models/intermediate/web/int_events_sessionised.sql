{%- set gap_minutes = var('session_gap_minutes') -%}
{#- One order of a visitor's events for every window: ties of the clock go by the step of the way to a purchase. -#}
{%- set in_visit_order = 'order by event_at, step_number, event_id' -%}

with

-- One late event may join two visits and renumber all that follow.
{% call touched('visitor_id') %}
select visitor_id from {{ this }}
where event_id in ({{ changed('stg_files__clickstream_events', 'event_id') }})
union all
select visitor_id from {{ ref('stg_files__clickstream_events') }}
where event_id in ({{ changed('stg_files__clickstream_events', 'event_id') }})
{% endcall %}

events as (
    select * from {{ touched_rows(ref('stg_files__clickstream_events'), 'visitor_id') }}
),

-- Nothing happens after it was received: a device whose clock runs ahead is put right here.
timed as (
    select
        *,
        case event_type
            when 'page_view' then 1
            when 'product_view' then 2
            when 'add_to_cart' then 3
            when 'begin_checkout' then 4
            when 'purchase' then 5
        end as step_number,
        least(occurred_at, received_at) as event_at
    from events
),

gaps_measured as (
    select
        *,
        lag(event_at) over (partition by visitor_id {{ in_visit_order }}) as previous_event_at
    from timed
),

-- Only silence ends a session: neither midnight nor a new campaign nor the provider's own idea of a session does.
sessions_numbered as (
    select
        *,
        sum(
            case
                when previous_event_at is null then 1
                when event_at > previous_event_at + interval '{{ gap_minutes }}' minute then 1
                else 0
            end
        ) over (
            partition by visitor_id {{ in_visit_order }}
            rows between unbounded preceding and current row
        ) as session_number
    from gaps_measured
),

events_numbered as (
    select
        *,
        row_number() over (partition by visitor_id, session_number {{ in_visit_order }}) as event_number,
        first_value(event_id) over (partition by visitor_id, session_number {{ in_visit_order }}) as first_event_id
    from sessions_numbered
),

final as (
    select
        -- keys
        event_id,
        {{ dbt_utils.generate_surrogate_key(['first_event_id']) }} as session_key,
        {{ dbt_utils.generate_surrogate_key(['visitor_id']) }} as visitor_key,
        visitor_id,
        session_id as provider_session_id,
        customer_id,
        product_id,
        order_id,

        -- attributes
        event_type,
        step_number,
        session_number,
        event_number,
        page_url,
        quantity,

        -- timestamps
        event_at,
        occurred_at,
        received_at,

        -- load metadata
        load_id
    from events_numbered
)

select * from final
{{ stored_by('occurred_at') }}
