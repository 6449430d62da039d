-- Visits to the web shop and what was clicked in them: those that led to the new orders, and all the others.

create temp table visits on commit drop as
with ordering as (
    select
        orders.order_id * 2 as visit_id,
        orders.order_id,
        orders.person_id,
        orders.customer_id,
        orders.channel = 'app' as is_app,
        greatest(
            orders.ordered_at - (3 + sim.u(orders.order_id, 'visit') * 22) * interval '1 minute',
            sim.at(sim.day_of(orders.ordered_at))
        ) as started_at,
        orders.ordered_at as last_event_at,
        3 as depth,
        false as is_crowd,
        false as is_stitched
    from stories
    inner join sim.orders on stories.order_id = orders.order_id
    where orders.session_id is not null
),

others as (
    select
        days.day,
        (days.visits_before + place) * 2 + 1 as visit_id,
        days.day = 333 and place <= 160 as is_crowd,
        case
            when sim.u(days.visits_before + place, 'visitor known') < 0.6
                then 1 + floor(
                        (params.persons / 5 + floor(params.persons * 0.8 * days.orders_before / params.orders) - 1)
                        * sqrt(sim.u(days.visits_before + place, 'visitor'))
                    )::bigint
        end as person_id
    from sim.days
    cross join sim.clock
    cross join sim.params
    cross join lateral generate_series(1, days.visits) as place
    where days.day >= clock.d0 and days.day < clock.d1
),

browsing as (
    select
        others.visit_id,
        null::bigint as order_id,
        others.person_id,
        case when sim.u(others.visit_id, 'logged in') < 0.35 and persons.registered_at < sim.at(others.day)
                then others.person_id
        end as customer_id,
        false as is_app,
        case
            when
                others.is_crowd
                then sim.at(others.day) + (18 + 0.9 * sim.u(others.visit_id, 'time')) * interval '1 hour'
            else sim.at(others.day) + (5 + 18.9 * sqrt(sim.u(others.visit_id, 'time'))) * interval '1 hour'
        end as started_at,
        case
            when others.is_crowd then 1
            else width_bucket(sim.u(others.visit_id, 'depth'), array[0.42, 0.78, 0.92]::double precision[])
        end as depth,
        others.is_crowd,
        sim.u(others.visit_id, 'pause') < 0.02 as is_stitched
    from others
    left join sim.persons on others.person_id = persons.person_id
)

select
    visit_id,
    order_id,
    person_id,
    customer_id,
    is_app,
    date_trunc('second', started_at) as started_at,
    last_event_at,
    depth,
    is_crowd,
    is_stitched
from ordering

union all

select
    visit_id,
    order_id,
    person_id,
    customer_id,
    is_app,
    date_trunc('second', started_at) as started_at,
    date_trunc('second', started_at)
    + (20 + power(sim.u(visit_id, 'length'), 2) * 1500) * interval '1 second'
    -- a pause in the middle, longer than half an hour
    + case when is_stitched then interval '45 minutes' else interval '0' end as last_event_at,
    depth,
    is_crowd,
    is_stitched
from browsing;

analyze visits;


create temp table tracked on commit drop as
select
    visits.visit_id,
    visits.order_id,
    visits.person_id,
    visits.customer_id,
    visits.started_at,
    visits.last_event_at,
    visits.depth,
    visits.is_crowd,
    visits.is_stitched,
    'ses-' || visits.visit_id as session_id,
    'anon-' || case
        when visits.person_id is null then 'v' || visits.visit_id
        -- people use two devices
        else 'p' || visits.person_id || case when sim.u(visits.visit_id, 'device') < 0.55 then 'a' else 'b' end
    end as anonymous_id,
    case
        when visits.is_app or sim.u(visits.visit_id, 'device') < 0.55 then 'mobile'
        when sim.u(visits.visit_id, 'device') < 0.62 then 'tablet'
        else 'desktop'
    end as device,
    1 + width_bucket(
        sim.u(visits.visit_id, 'source'), array[0.24, 0.46, 0.58, 0.71, 0.79, 0.86, 0.95]::double precision[]
    ) as source_id
from visits;

insert into sim.sessions
select
    tracked.session_id,
    tracked.customer_id,
    tracked.anonymous_id,
    tracked.device,
    sources.source as utm_source,
    sources.medium as utm_medium,
    sources.campaign as utm_campaign,
    sources.referrer,
    sim.pick('{/,/sale,/new,/kitchen,/garden,/living}', sim.u(tracked.visit_id, 'landing')) as landing_page,
    tracked.started_at,
    date_trunc('second', tracked.last_event_at) + interval '90 seconds' as ended_at,
    case when tracked.customer_id is not null and sim.u(tracked.visit_id, 'recognised') < 0.05
            then date_trunc('second', tracked.last_event_at) + interval '2 days 20 minutes'
    end as identified_at
from tracked
inner join (
    values
    (1, null, null, null, null),
    (2, 'google', 'organic', null, 'https://www.google.com/'),
    (3, 'google', 'cpc', 'brand-search', 'https://www.google.com/'),
    (4, 'google', 'cpc', 'shopping', 'https://www.google.com/'),
    (5, 'meta', 'paid-social', 'prospecting', 'https://www.instagram.com/'),
    (6, 'meta', 'paid-social', 'retargeting', 'https://www.facebook.com/'),
    (7, 'newsletter', 'email', 'weekly', null),
    (8, 'affiliate', 'referral', 'partners', 'https://deals.example.com/')
) as sources (source_id, source, medium, campaign, referrer) on tracked.source_id = sources.source_id;


-- The clicks of each visit, in order.
create temp table clicks on commit drop as
with products_of_orders as (
    select
        tracked.visit_id,
        row_number() over (partition by tracked.visit_id order by lines.line_no) as place,
        lines.product_id,
        lines.quantity
    from tracked
    inner join lines on tracked.order_id = lines.order_id
    where lines.kind = 'product' and lines.version = 1
),

looked_at as (
    select
        tracked.visit_id,
        looks.place,
        case
            when tracked.is_crowd then first_product.product_id
            when
                tracked.started_at >= products.launched_at
                and (products.archived_at is null or tracked.started_at < products.archived_at)
                then products.product_id
            else evergreens.product_ids[1 + mod(popularity.place, cardinality(evergreens.product_ids))]
        end as product_id,
        1 as quantity
    from tracked
    cross join sim.params
    cross join sim.evergreens
    cross join
        lateral generate_series(1, 1 + floor(sim.u(tracked.visit_id, 'views') * 8)::integer)
            as looks (place)
    inner join sim.popularity
        on popularity.place = 1 + floor(
                power(sim.u(tracked.visit_id * 10 + looks.place, 'looks at'), 1.6) * (params.products - 1)
            )::bigint
    inner join sim.products on popularity.product_id = products.product_id
    inner join sim.popularity as first_product on first_product.place = 1
    where tracked.order_id is null and tracked.depth >= 1
),

of_interest as (
    select
        visit_id,
        place,
        product_id,
        quantity
    from products_of_orders
    union all
    select
        visit_id,
        place,
        product_id,
        quantity
    from looked_at
),

steps as (
    select
        visit_id,
        1 as phase,
        0 as place,
        'page_view' as event_type,
        null::bigint as product_id,
        null::integer as quantity
    from tracked

    union all

    select
        visit_id,
        1 as phase,
        1 as place,
        'page_view' as event_type,
        null as product_id,
        null as quantity
    from tracked
    where depth = 0 and sim.u(visit_id, 'second page') < 0.5

    union all

    select
        visit_id,
        2 as phase,
        place,
        'product_view' as event_type,
        product_id,
        null as quantity
    from of_interest

    union all

    select
        of_interest.visit_id,
        3 as phase,
        of_interest.place,
        'add_to_cart' as event_type,
        of_interest.product_id,
        of_interest.quantity
    from of_interest
    inner join tracked on of_interest.visit_id = tracked.visit_id
    where tracked.depth >= 2 and (tracked.order_id is not null or of_interest.place <= 2)

    union all

    select
        visit_id,
        4 as phase,
        0 as place,
        'begin_checkout' as event_type,
        null as product_id,
        null as quantity
    from tracked
    where depth = 3

    union all

    select
        visit_id,
        5 as phase,
        0 as place,
        'purchase' as event_type,
        null as product_id,
        null as quantity
    from tracked
    where order_id is not null
),

numbered as (
    select
        steps.*,
        row_number() over (partition by steps.visit_id order by steps.phase, steps.place) as step,
        count(*) over (partition by steps.visit_id) as steps
    from steps
),

timed as (
    select
        tracked.visit_id * 100 + numbered.step as event_number,
        numbered.event_type,
        numbered.product_id,
        numbered.quantity,
        case when numbered.event_type = 'purchase' then tracked.order_id end as order_id,
        tracked.session_id,
        tracked.anonymous_id,
        tracked.customer_id,
        case
            when numbered.event_type in ('product_view', 'add_to_cart') then '/products/' || numbered.product_id
            when numbered.event_type = 'begin_checkout' then '/checkout'
            when numbered.event_type = 'purchase' then '/checkout/thanks'
            when numbered.place = 1 then '/about'
            else sim.pick('{/,/sale,/new,/kitchen,/garden,/living}', sim.u(tracked.visit_id, 'landing'))
        end as page_url,
        case
            when numbered.event_type = 'purchase' then tracked.last_event_at
            else
                date_trunc(
                    'milliseconds',
                    tracked.started_at + (
                        tracked.last_event_at - tracked.started_at
                        - case when tracked.is_stitched then interval '45 minutes' else interval '0' end
                    ) * ((numbered.step - 0.5) / numbered.steps)
                    + case
                        when tracked.is_stitched and numbered.step > numbered.steps / 2 then interval '45 minutes'
                        else interval '0'
                    end
                )
        end as happened_at
    from numbered
    inner join tracked on numbered.visit_id = tracked.visit_id
)

select
    timed.*,
    -- some arrive days late
    date_trunc(
        'milliseconds', timed.happened_at + (0.2 + 15 * sim.u(timed.event_number, 'delay')) * interval '1 second'
    )
    + case
        when sim.u(timed.event_number, 'late') < 0.01
            then date_trunc('second', sim.u(timed.event_number, 'how late') * interval '118 hours')
        else interval '0'
    end as received_at,
    -- some devices run ahead
    timed.happened_at + case
        when sim.u(timed.event_number, 'clock') < 0.004 then interval '23 minutes'
        else interval '0'
    end as occurred_at
from timed;

insert into sim.events
with records as (
    select
        event_number,
        received_at,
        json_build_object(
            'event_id', 'ev-' || event_number,
            'event_type', event_type,
            'anonymous_id', anonymous_id,
            'customer_id', customer_id,
            'session_id', session_id,
            'page_url', 'https://shop.example.com' || page_url,
            'occurred_at', to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'received_at', to_char(received_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
            'properties', json_strip_nulls(json_build_object(
                'product_id', product_id, 'quantity', quantity, 'order_id', order_id
            ))
        )::text as record
    from clicks
),

deliveries as (
    select
        sim.day_of(received_at) as file_day,
        0 as part,
        received_at,
        event_number,
        record
    from records

    union all

    -- delivered twice: again on the same day or on the next
    select
        sim.day_of(received_at) + case when sim.u(event_number, 'again on') < 0.5 then 0 else 1 end as file_day,
        1 as part,
        received_at,
        event_number,
        record
    from records
    where sim.u(event_number, 'again') < 0.008
)

select
-- 2024-03-05: no file arrives, the next day brings it all
    case when file_day = 64 then 65 else file_day end as file_day,
    part,
    received_at,
    'ev-' || event_number as event_id,
    record
from deliveries;
