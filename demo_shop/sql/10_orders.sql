-- The life stories of the orders placed from day d0 to day d1: who, where, when, and what will become of them.

-- Demand becomes whole orders and visits. The fixed orders need their places, and one day sells nothing at all.
insert into sim.days
with fixed as (
    select
        sim.day_of(ordered_at) as day,
        count(*) as orders
    from sim.fixed_orders
    group by sim.day_of(ordered_at)
),

scale as (
    select
        params.orders / sum(sim.demand(day)) as orders,
        (params.sessions - params.orders * params.session_share::double precision * 0.87) / sum(sim.demand(day))
            as visits
    from sim.params
    cross join lateral generate_series(0, params.base_days - 1) as day
    group by params.orders, params.sessions, params.session_share
),

counts as (
    select
        series.day,
        case
            when series.day = 23 then 0 -- 2024-01-24: the checkout was down
            else greatest(floor(scale.orders * sim.demand(series.day) + sim.u(series.day, 'orders')), fixed.orders)
        end::integer as orders,
        -- 2024-11-29, Black Friday: a crowd in one hour
        floor(scale.visits * sim.demand(series.day) + sim.u(series.day, 'visits'))::integer
        + case when series.day = 333 then 160 else 0 end as visits
    from sim.clock
    cross join lateral generate_series(clock.d0, clock.d1 - 1) as series (day)
    cross join scale
    left join fixed on series.day = fixed.day
)

select
    day,
    orders,
    coalesce((select max(days.orders_before + days.orders) from sim.days), 0)
    + coalesce(sum(orders) over (order by day rows between unbounded preceding and 1 preceding), 0) as orders_before,
    visits,
    coalesce((select max(days.visits_before + days.visits) from sim.days), 0)
    + coalesce(sum(visits) over (order by day rows between unbounded preceding and 1 preceding), 0) as visits_before
from counts;


-- Who orders. Person ids grow with the order numbers; a fifth of the persons were there before day 0.
-- A returning customer is one of the loyal few (until she lapses), one of the newer ones, or anyone.
create temp table placed on commit drop as
with slots as (
    select
        days.day,
        place,
        days.orders_before + place as slot,
        params.persons / 5 + floor((params.persons * 0.8) * days.orders_before / params.orders)::bigint as known,
        params.persons / 5 + floor((params.persons * 0.8) * (days.orders_before + place) / params.orders)::bigint
            as newest,
        params.persons / 5 + floor((params.persons * 0.8) * (days.orders_before + place - 1) / params.orders)::bigint
            as newest_before
    from sim.days
    cross join sim.clock
    cross join sim.params
    cross join lateral generate_series(1, days.orders) as place
    where days.day >= clock.d0 and days.day < clock.d1
),

drawn as (
    select
        slots.*,
        1 + 10 * floor((slots.known - 1) / 10 * power(sim.u(slots.slot, 'loyal'), 2))::bigint as loyal,
        greatest(
            1, slots.known - floor(-ln(1 - sim.u(slots.slot, 'recent')) * 0.12 * slots.known)::bigint
        ) as recent,
        1 + floor((slots.known - 1) * sqrt(sim.u(slots.slot, 'anyone')))::bigint as anyone
    from slots
),

-- more than half of the people buy once: in their place comes a neighbour who likes to come back
candidates as (
    select
        drawn.day,
        drawn.place,
        drawn.slot,
        drawn.newest,
        drawn.newest_before,
        drawn.loyal,
        case when sim.u(drawn.recent, 'comes back') < 0.4 then drawn.recent else 1 + 4 * ((drawn.recent - 1) / 4) end
            as recent,
        case when sim.u(drawn.anyone, 'comes back') < 0.4 then drawn.anyone else 1 + 4 * ((drawn.anyone - 1) / 4) end
            as anyone
    from drawn
),

chosen as (
    select
        candidates.*,
        candidates.newest > candidates.newest_before as is_new,
        case
            -- a few only sign up and do not order
            when candidates.newest > candidates.newest_before and sim.u(candidates.newest, 'only signs up') >= 0.06
                then candidates.newest
            when sim.u(candidates.slot, 'who') < 0.58
                and (
                    sim.u(candidates.loyal, 'lapses') < 0.5
                    or candidates.day < params.base_days * (0.2 + 0.75 * sim.u(candidates.loyal, 'lapse day'))
                )
                then candidates.loyal
            when sim.u(candidates.slot, 'who') < 0.86 then candidates.recent
            else candidates.anyone
        end as person_id
    from candidates
    cross join sim.params
),

timed as (
    select
        chosen.*,
        stores.store_id,
        -- the hour of the day is the customer's, the day is counted in UTC
        coalesce(
            fixed_orders.ordered_at,
            sim.at(chosen.day) + make_interval(
                secs => round(mod(
                    (
                        (
                            width_bucket(
                                sim.u(chosen.slot, 'hour') * 96.6,
                                array[
                                    1.0, 1.6, 2.0, 2.3, 2.6, 3.1, 4.1, 6.1, 9.1, 13.1, 18.1, 23.6, 29.6, 35.1, 40.1,
                                    45.1, 50.6, 56.6, 63.6, 72.1, 81.1, 89.1, 94.1
                                ]::double precision[]
                            )
                            + sim.u(chosen.slot, 'minute') - stores.utc_offset_hours + 24
                        ) * 3600
                    )::numeric,
                    86400
                ), 3)::double precision
            )
        ) as ordered_at
    from chosen
    left join sim.fixed_orders
        on chosen.day = sim.day_of(fixed_orders.ordered_at) and chosen.place = fixed_orders.place
    inner join sim.stores
        on stores.store_id = coalesce(
                fixed_orders.store_id,
                width_bucket(
                -- most people order at the store of their own country
                    case
                        when sim.u(chosen.slot, 'abroad') < 0.04 then sim.u(chosen.slot, 'store')
                        else sim.u(chosen.person_id, 'store')
                    end,
                    array[0.0, 0.56, 0.86]
                )
            )
)

select
    (
        select days.orders_before from sim.days cross join sim.clock
        where days.day = clock.d0
    )
    + row_number() over (order by day, ordered_at, slot) as order_id,
    slot,
    day,
    person_id,
    is_new,
    newest,
    store_id,
    ordered_at
from timed;

analyze placed;


-- Persons appear with the first order that mentions them; those from before day 0 all at once.
insert into sim.persons
with seen as (
    select
        person_id,
        sim.at(-1 - floor(sim.u(person_id, 'first seen') * 300)) + interval '12 hours' as first_seen_at
    from sim.params
    cross join sim.clock
    cross join lateral generate_series(1, params.persons / 5) as person_id
    where clock.d0 = 0

    union all

    select
        newest as person_id,
        greatest(ordered_at - interval '4 minutes', sim.at(day)) as first_seen_at
    from placed
    where is_new
)

select
    seen.person_id,
    stores.store_id,
    case
        when stores.currency = 'EUR' then sim.pick('{DE,DE,DE,DE,AT,FR,NL,IT}', sim.u(seen.person_id, 'country'))
        when stores.currency = 'USD' then sim.pick('{US,US,US,US,US,CA}', sim.u(seen.person_id, 'country'))
        else 'JP'
    end as country_code,
    lower(
        sim.pick(words.first_names, sim.u(seen.person_id, 'first name')) || '.'
        || sim.pick(words.last_names, sim.u(seen.person_id, 'last name'))
    ) || seen.person_id || '@'
    || sim.pick('{example.com,example.org,example.net}', sim.u(seen.person_id, 'domain')) as email,
    seen.first_seen_at,
    case
        when seen.person_id <= 30 or sim.u(seen.person_id, 'guest') >= 0.14 then seen.first_seen_at
        when sim.u(seen.person_id, 'guest') < 0.03
            then seen.first_seen_at + (30 + floor(sim.u(seen.person_id, 'registers') * 60)) * interval '24 hours'
    end as registered_at
from seen
inner join sim.stores on stores.store_id = width_bucket(sim.u(seen.person_id, 'store'), array[0.0, 0.56, 0.86])
inner join sim.words on stores.store_id = words.store_id;


-- The story of each order. Thresholds are running shares of all orders; the rest is normal.
create temp table stories on commit drop as
with drafts as (
    select
        placed.order_id,
        placed.person_id,
        placed.store_id,
        placed.ordered_at,
        placed.is_new,
        persons.email,
        persons.country_code,
        persons.registered_at,
        fixed.payment_flow as fixed_flow,
        mod(placed.person_id, 400) = 7
        or coalesce(fixed.scenario = 'test', sim.u(placed.order_id, 'test') < 0.003) as is_test,
        coalesce(fixed.scenario, (array[
            'cancelled_unpaid', 'cancelled_paid', 'cancelled_late', 'never_paid', 'deleted', 'edited_remove',
            'edited_add', 'edited_swap', 'edited_quantity', 'refund_partial', 'refund_full', 'refund_fast',
            'refund_late', 'refund_twice', 'refund_goodwill', 'refund_fee', 'normal'
        ])[1 + width_bucket(sim.u(placed.order_id, 'scenario'), array[
            0.015, 0.024, 0.026, 0.033, 0.034, 0.038, 0.042, 0.044, 0.047, 0.061, 0.070, 0.071,
            0.074, 0.077, 0.079, 0.081
        ]::double precision[])]) as scenario,
        case
            when fixed.order_id is not null then 'web'
            else (array['web', 'app', 'marketplace', 'pos'])[
                    1 + width_bucket(sim.u(placed.order_id, 'channel'), array[0.62, 0.87, 0.95]::double precision[])
                ]
        end as channel
    from placed
    inner join sim.persons on placed.person_id = persons.person_id
    left join sim.fixed_scenarios as fixed on placed.order_id = fixed.order_id
),

flows as (
    select
        drafts.order_id,
        drafts.person_id,
        drafts.store_id,
        drafts.ordered_at,
        drafts.is_new,
        drafts.email,
        drafts.country_code,
        drafts.registered_at,
        drafts.is_test,
        drafts.scenario,
        case
            when
                drafts.channel = 'pos' and drafts.scenario not in ('normal', 'refund_partial', 'refund_full')
                then 'web'
            else drafts.channel
        end as channel,
        case
            when drafts.fixed_flow is not null then drafts.fixed_flow
            when drafts.scenario like 'edited%' then 'auth_capture'
            when drafts.scenario in ('cancelled_paid', 'refund_fast') then 'sale'
            when drafts.scenario = 'cancelled_unpaid'
                then sim.pick('{failed_only,void,none}', sim.u(drafts.order_id, 'unpaid'))
            when drafts.scenario = 'cancelled_late' then 'void'
            when drafts.scenario = 'never_paid' then 'never'
            when drafts.scenario = 'deleted' then 'void'
            when drafts.channel = 'pos' then 'sale'
            else (array['sale', 'auth_capture', 'failed_first', 'split', 'pending'])[
                    1 + width_bucket(
                        sim.u(drafts.order_id, 'payment'), array[0.62, 0.84, 0.89, 0.92]::double precision[]
                    )
                ]
        end as payment_flow
    from drafts
),

paid as (
    select
        flows.*,
        case
            when flows.payment_flow in ('failed_only', 'none', 'never') or flows.scenario = 'deleted' then null
            when flows.payment_flow = 'failed_first'
                then flows.ordered_at + sim.lasting(4 + sim.u(flows.order_id, 'second try') * 16, '1 minute')
            when flows.payment_flow = 'pending'
                then flows.ordered_at + sim.lasting(20 + sim.u(flows.order_id, 'transfer') * 76, '1 hour')
            else flows.ordered_at + sim.lasting(10 + sim.u(flows.order_id, 'pays') * 170, '1 second')
        end as processing_at,
        case
            when flows.scenario like 'edited%'
                then flows.ordered_at + sim.lasting(10.2 + sim.u(flows.order_id, 'edit') * 8, '24 hours')
        end as edited_at,
        case flows.scenario
            when 'cancelled_unpaid'
                then flows.ordered_at + sim.lasting(1 + sim.u(flows.order_id, 'cancel') * 47, '1 hour')
            when 'cancelled_paid'
                then flows.ordered_at + sim.lasting(1 + sim.u(flows.order_id, 'cancel') * 30, '1 hour')
            when 'cancelled_late'
                then flows.ordered_at + sim.lasting(35 + sim.u(flows.order_id, 'cancel') * 20, '24 hours')
        end as cancelled_at,
        case
            when flows.scenario = 'refund_fast' then flows.ordered_at + interval '16 minutes'
            when flows.scenario = 'refund_late'
                then flows.ordered_at + sim.lasting(95 + sim.u(flows.order_id, 'refund') * 50, '24 hours')
            when flows.scenario in ('refund_partial', 'refund_full', 'refund_twice', 'refund_goodwill', 'refund_fee')
                then flows.ordered_at + sim.lasting(14 + sim.u(flows.order_id, 'refund') * 26, '24 hours')
        end as refunded_at
    from flows
),

shipped as (
    select
        paid.*,
        case
            when paid.scenario in ('cancelled_paid', 'cancelled_late', 'refund_fast') then null
            when paid.scenario = 'cancelled_unpaid' then null
            when paid.channel = 'pos' then paid.processing_at
            else coalesce(paid.edited_at, paid.processing_at)
                + sim.lasting(10 + sim.u(paid.order_id, 'ships') * 60, '1 hour')
        end as shipped_at
    from paid
)

select
    shipped.*,
    case
        when shipped.channel = 'pos' then shipped.shipped_at
        else shipped.shipped_at
            + sim.lasting(24 + sim.u(shipped.order_id, 'delivers') * 130, '1 hour')
    end as delivered_at,
    case
        when shipped.scenario in ('refund_full', 'refund_fast', 'refund_late', 'refund_fee') then shipped.refunded_at
    end
        as returned_at,
    case when shipped.scenario = 'deleted' then shipped.ordered_at + interval '20 days 3 hours' end as deleted_at,
    case
        when shipped.scenario = 'uneven_coupon' then 'XMAS3'
        -- edited orders have no coupon: its shares would change with every edit
        when shipped.scenario like 'edited%' or shipped.channel in ('marketplace', 'pos') then null
        when coupons.code is not null and sim.u(shipped.order_id, 'coupon') < 0.35 then coupons.code
        when shipped.is_new and sim.u(shipped.order_id, 'coupon') < 0.30 then 'WELCOME10'
    end as coupon_code
from shipped
left join sim.coupons
    on to_char(shipped.ordered_at at time zone 'UTC', 'MMDD') between coupons.from_day and coupons.to_day;

alter table stories add primary key (order_id);
analyze stories;
