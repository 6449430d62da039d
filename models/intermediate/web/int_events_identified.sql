with

{% call touched('visitor_key') %}
{{ changed('int_events_sessionised', 'visitor_key') }}
union all
select visitor_key from {{ ref('int_events_sessionised') }}
where provider_session_id in ({{ changed('int_provider_sessions_enriched', 'provider_session_id') }})
union all
select visitor_key from {{ ref('int_events_sessionised') }}
where order_id in ({{ changed('int_identities_resolved_to_orders', 'order_id') }})
union all
select visitor_key from {{ ref('int_events_sessionised') }}
where customer_id in ({{ changed('stg_shop__customers', 'customer_id') }})
union all
select visitor_key from {{ ref('int_events_sessionised') }}
where product_id in ({{ changed('stg_shop__products', 'product_id') }})
{% endcall %}

events as (
    select
        *,
        -- Only a purchase says whose order it is: anyone may look at the page of one.
        case when event_type = 'purchase' then order_id end as purchased_order_id
    from {{ touched_rows(ref('int_events_sessionised'), 'visitor_key') }}
),

provider_sessions as (
    select * from {{ touched_rows(ref('int_provider_sessions_enriched'), 'provider_session_id', 'events') }}
),

customers as (
    select * from {{ ref('int_customers_stripped_of_pii') }}
),

order_identities as (
    select * from {{ touched_rows(ref('int_identities_resolved_to_orders'), 'order_id', 'events') }}
),

products as (
    select * from {{ ref('stg_shop__products') }}
),

-- What the event itself says about who did it, the surest first: the order it made, the account it was logged in to,
-- the account or order that the provider knows its session by. Browsers say anything: ids that the shop does not know
-- are dropped.
known_directly as (
    select
        events.event_id,
        events.session_key,
        events.visitor_key,
        events.provider_session_id,
        customers.customer_id,
        products.product_id,
        order_identities.order_id,
        events.event_type,
        events.session_number,
        events.event_number,
        events.page_url,
        events.quantity,
        events.event_at,
        events.occurred_at,
        events.received_at,
        events.load_id,
        coalesce(
            order_identities.identity_key,
            {{ customer_identity_key('customers.customer_id') }},
            provider_sessions.identity_key
        ) as own_identity_key
    from events
    left join provider_sessions on events.provider_session_id = provider_sessions.provider_session_id
    left join customers on events.customer_id = customers.customer_id
    left join products on events.product_id = products.product_id
    left join order_identities on events.purchased_order_id = order_identities.order_id
),

windowed as (
    select
        *,
        max(case when own_identity_key is not null then event_number end) over (
            partition by session_key
        ) as last_known_event_number,
        min(own_identity_key) over (partition by visitor_key) as lowest_visitor_identity_key,
        max(own_identity_key) over (partition by visitor_key) as highest_visitor_identity_key
    from known_directly
),

-- A session belongs to one person: the last one it named. Where it named none, the visitor's other sessions speak for
-- it, unless they name two people: nobody can tell who of them used a shared device that time.
session_known as (
    select
        *,
        max(case when event_number = last_known_event_number then own_identity_key end) over (
            partition by session_key
        ) as session_identity_key,
        case
            when lowest_visitor_identity_key = highest_visitor_identity_key then lowest_visitor_identity_key
        end as visitor_identity_key
    from windowed
),

final as (
    select
        -- keys
        event_id,
        session_key,
        visitor_key,
        coalesce(session_identity_key, visitor_identity_key) as identity_key,
        provider_session_id,
        customer_id,
        product_id,
        order_id,

        -- attributes
        event_type,
        session_number,
        event_number,
        case
            when session_identity_key is not null then 'session'
            when visitor_identity_key is not null then 'visitor'
            else 'unknown'
        end as identity_source,
        page_url,
        quantity,

        -- timestamps
        event_at,
        occurred_at,
        received_at,

        -- load metadata
        load_id
    from session_known
)

select * from final
{{ stored_by('occurred_at') }}
