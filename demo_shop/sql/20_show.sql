-- Let the shop and the providers show what has happened up to t1. Only rows that changed in [t0, t1) are touched.

insert into shop.stores
select store_id, name, country_code, timezone, currency, prices_include_tax, sim.at(-400), sim.at(-400), null
from sim.stores
on conflict do nothing;

insert into shop.suppliers
with suppliers as (
    select
        supplier_id,
        sim.pick('{Nordic,Alpine,Pacific,Atlantic,Baltic,Sunrise,Harbour,Valley}', sim.u(supplier_id, 'supplier'))
        || ' ' || sim.pick('{Trading,Makers,Imports,Works,Supply}', sim.u(supplier_id, 'supplier kind'))
        || ' ' || supplier_id as name,
        3 + floor(sim.u(supplier_id, 'lead time') * 25)::integer as lead_time_days,
        5 * (1 + floor(sim.u(supplier_id, 'minimum') * 10)::integer) as min_order_quantity,
        sim.at(-390) as created_at,
        -- one supplier becomes slower, one gives up
        case when supplier_id = 2 then sim.at(90.5) end as slower_at,
        case when supplier_id = 3 then sim.at(150.5) end as deleted_at,
        clock.t0,
        clock.t1
    from sim.params
    cross join sim.clock
    cross join lateral generate_series(1, params.suppliers) as supplier_id
),

visible as (
    select
        supplier_id,
        name,
        lead_time_days + case when slower_at < t1 then 9 else 0 end as lead_time_days,
        min_order_quantity,
        created_at,
        greatest(
            created_at, case when slower_at < t1 then slower_at end, case when deleted_at < t1 then deleted_at end
        ) as updated_at,
        case when deleted_at < t1 then deleted_at end as deleted_at,
        t0
    from suppliers
)

select supplier_id, name, lead_time_days, min_order_quantity, created_at, updated_at, deleted_at
from visible
where updated_at >= t0 or t0 = sim.at(0)
on conflict (supplier_id) do update set
    lead_time_days = excluded.lead_time_days,
    updated_at = excluded.updated_at,
    deleted_at = excluded.deleted_at;


insert into shop.customers
with lives as (
    select
        persons.person_id,
        persons.store_id,
        persons.registered_at,
        persons.email,
        persons.country_code,
        sim.pick(words.first_names, sim.u(persons.person_id, 'first name')) as first_name,
        sim.pick(words.last_names, sim.u(persons.person_id, 'last name')) as last_name,
        sim.pick(words.places, sim.u(persons.person_id, 'place')) as place,
        sim.pick(words.places, sim.u(persons.person_id, 'new place')) as new_place,
        case words.store_id
            when 1 then case persons.country_code when 'DE' then 'AT' else 'DE' end
            when 2 then case persons.country_code when 'US' then 'CA' else 'US' end
            else 'US'
        end as new_country_code,
        sim.u(persons.person_id, 'opted in') < 0.5 as opted_in,
        date '1950-01-01' + floor(sim.u(persons.person_id, 'born') * 20000)::integer as birth_date,
        greatest(persons.registered_at, sim.at(0)) as since,
        clock.t0,
        clock.t1
    from sim.persons
    inner join sim.words using (store_id)
    cross join sim.clock
    where persons.registered_at < clock.t1
),

dated as (
    select
        lives.*,
        case when person_id in (12, 13) or sim.u(person_id, 'moves') < 0.06
            then since + (20 + round((sim.u(person_id, 'move day') * 180)::numeric, 3)::float8) * interval '24 hours'
        end as moved_at,
        case when sim.u(person_id, 'new e-mail') < 0.03
            then since + (30 + round((sim.u(person_id, 'e-mail day') * 250)::numeric, 3)::float8) * interval '24 hours'
        end as new_email_at,
        case when sim.u(person_id, 'changes opt-in') < 0.15
            then since + (10 + round((sim.u(person_id, 'opt-in day') * 300)::numeric, 3)::float8) * interval '24 hours'
        end as opt_in_at,
        case when person_id = 20 or sim.u(person_id, 'erased') < 0.006
            then since + (90 + round((sim.u(person_id, 'erasure day') * 200)::numeric, 3)::float8) * interval '24 hours'
        end as erased_at,
        case when person_id in (20, 22) or sim.u(person_id, 'deleted') < 0.008
            then since + (300 + round((sim.u(person_id, 'deletion day') * 90)::numeric, 3)::float8) * interval '24 hours'
        end as deleted_at
    from lives
),

visible as (
    select
        dated.*,
        coalesce(erased_at < t1, false) as is_erased,
        coalesce(moved_at < t1, false) as has_moved,
        greatest(
            registered_at,
            case when moved_at < t1 then moved_at end,
            case when new_email_at < t1 then new_email_at end,
            case when opt_in_at < t1 then opt_in_at end,
            case when erased_at < t1 then erased_at end,
            case when deleted_at < t1 then deleted_at end
        ) as updated_at
    from dated
)

select
    person_id,
    case
        when is_erased then 'erased-' || person_id || '@example.invalid'
        when person_id = 25 then ''
        when new_email_at < t1 then 'new.' || email
        else email
    end,
    case when not is_erased then first_name end,
    case when not is_erased then last_name end,
    case when not is_erased and sim.u(person_id, 'phone') < 0.7
        then '+' || (array['49', '1', '81'])[store_id] || ' 555 '
            || lpad(floor(sim.u(person_id, 'number') * 1000000)::text, 6, '0')
    end,
    case when not is_erased and sim.u(person_id, 'birth date') < 0.6 then birth_date end,
    case when has_moved then new_country_code else country_code end,
    case when not is_erased then split_part(case when has_moved then new_place else place end, '|', 1) end,
    case when not is_erased then split_part(case when has_moved then new_place else place end, '|', 2) end,
    case when is_erased then false else opted_in <> coalesce(opt_in_at < t1, false) end,
    mod(person_id, 400) = 7,
    registered_at,
    updated_at,
    case when deleted_at < t1 then deleted_at end
from visible
where updated_at >= t0 or t0 = sim.at(0)
on conflict (customer_id) do update set
    email = excluded.email,
    first_name = excluded.first_name,
    last_name = excluded.last_name,
    phone = excluded.phone,
    birth_date = excluded.birth_date,
    country_code = excluded.country_code,
    region = excluded.region,
    city = excluded.city,
    marketing_opt_in = excluded.marketing_opt_in,
    updated_at = excluded.updated_at,
    deleted_at = excluded.deleted_at;


insert into shop.products
with visible as (
    select
        products.*,
        case
            when products.archived_at < clock.t1 then 'archived'
            when products.launched_at < clock.t1 then 'active'
            else 'draft'
        end as status,
        case when products.recategorised_at < clock.t1 then 'Gifts' else products.category end as current_category,
        prices.list_price,
        prices.list_cost,
        case products.currency when 'JPY' then 160.0 when 'USD' then 1.08 else 1.0 end as factor,
        greatest(
            products.created_at,
            prices.valid_from,
            case when products.launched_at < clock.t1 then products.launched_at end,
            case when products.archived_at < clock.t1 then products.archived_at end,
            case when products.deleted_at < clock.t1 then products.deleted_at end,
            case when products.recategorised_at < clock.t1 then products.recategorised_at end
        ) as updated_at,
        clock.t0,
        clock.t1
    from sim.products
    cross join sim.clock
    cross join lateral (
        select price_changes.list_price, price_changes.list_cost, price_changes.valid_from
        from sim.price_changes
        where price_changes.product_id = products.product_id and price_changes.valid_from < clock.t1
        order by price_changes.valid_from desc
        limit 1
    ) as prices
    where products.created_at < clock.t1
)

select
    product_id,
    'SKU-' || lpad(product_id::text, 6, '0'),
    product_name,
    current_category,
    subcategory,
    brand,
    case currency when 'JPY' then round(list_price * factor, -1) else round(list_price * factor, 2) end,
    round(list_cost * factor, 4),
    currency,
    supplier_id,
    status,
    created_at,
    updated_at,
    case when deleted_at < t1 then deleted_at end
from visible
where updated_at >= t0 or t0 = sim.at(0)
on conflict (product_id) do update set
    category = excluded.category,
    unit_price = excluded.unit_price,
    unit_cost = excluded.unit_cost,
    status = excluded.status,
    updated_at = excluded.updated_at,
    deleted_at = excluded.deleted_at;


insert into shop.orders
with visible as (
    select
        orders.*,
        case
            when orders.cancelled_at < clock.t1 then 'cancelled'
            when orders.returned_at < clock.t1 then 'returned'
            when orders.delivered_at < clock.t1 then 'delivered'
            when orders.shipped_at < clock.t1 then 'shipped'
            when orders.processing_at < clock.t1 then 'processing'
            else 'pending'
        end as status,
        orders.edited_at is null or orders.edited_at < clock.t1 as is_final,
        greatest(
            orders.ordered_at,
            case when orders.processing_at < clock.t1 then orders.processing_at end,
            case when orders.edited_at < clock.t1 then orders.edited_at end,
            case when orders.shipped_at < clock.t1 then orders.shipped_at end,
            case when orders.delivered_at < clock.t1 then orders.delivered_at end,
            case when orders.cancelled_at < clock.t1 then orders.cancelled_at end,
            case when orders.returned_at < clock.t1 then orders.returned_at end,
            case when orders.deleted_at < clock.t1 then orders.deleted_at end
        ) as updated_at,
        clock.t0,
        clock.t1
    from sim.orders
    cross join sim.clock
)

select
    order_id,
    'SH-' || lpad(order_id::text, 8, '0'),
    store_id,
    customer_id,
    guest_email,
    status,
    channel,
    currency,
    case when is_final then subtotal_amount else subtotal_before_edit end,
    discount_amount,
    shipping_amount,
    case when is_final then tax_amount else tax_before_edit end,
    case when is_final then total_amount else total_before_edit end,
    coupon_code,
    is_test,
    ordered_at,
    case when cancelled_at < t1 then cancelled_at end,
    case when shipped_at < t1 then shipped_at end,
    case when delivered_at < t1 then delivered_at end,
    country_code,
    session_id,
    ordered_at,
    updated_at,
    case when deleted_at < t1 then deleted_at end
from visible
where updated_at >= t0
on conflict (order_id) do update set
    status = excluded.status,
    subtotal_amount = excluded.subtotal_amount,
    tax_amount = excluded.tax_amount,
    total_amount = excluded.total_amount,
    cancelled_at = excluded.cancelled_at,
    shipped_at = excluded.shipped_at,
    delivered_at = excluded.delivered_at,
    updated_at = excluded.updated_at,
    deleted_at = excluded.deleted_at;


-- Lines never change but by an edit of their order.
insert into shop.order_items
select
    order_item_id,
    order_id,
    product_id,
    product_name,
    quantity,
    unit_price,
    unit_cost,
    discount_amount,
    tax_amount,
    is_gift_card,
    ordered_at,
    ordered_at
from lines
where scenario not like 'edited%'
order by order_item_id;

delete from shop.order_items
using sim.edited_lines, sim.clock
where
    order_items.order_item_id = edited_lines.order_item_id
    and edited_lines.removed_at >= clock.t0
    and edited_lines.removed_at < clock.t1;

insert into shop.order_items
select
    edited_lines.order_item_id,
    edited_lines.order_id,
    edited_lines.product_id,
    edited_lines.product_name,
    edited_lines.quantity,
    edited_lines.unit_price,
    edited_lines.unit_cost,
    edited_lines.discount_amount,
    edited_lines.tax_amount,
    edited_lines.is_gift_card,
    edited_lines.created_at,
    edited_lines.added_at
from sim.edited_lines
cross join sim.clock
where
    edited_lines.added_at >= clock.t0
    and edited_lines.added_at < clock.t1
    and (edited_lines.removed_at is null or edited_lines.removed_at >= clock.t1);


insert into shop.inventory_levels
with levels as (
    select
        events.product_id,
        events.location_code,
        sum(events.quantity_delta) as on_hand,
        min(events.occurred_at) as created_at,
        max(events.occurred_at) as updated_at
    from sim.inventory_events as events
    cross join sim.clock
    where events.occurred_at < clock.t1
    group by events.product_id, events.location_code
),

committed as (
    -- what was sold in the two days up to the last movement
    select events.product_id, events.location_code, -sum(events.quantity_delta) as quantity
    from sim.inventory_events as events
    inner join levels using (product_id, location_code)
    where
        events.reason = 'sale'
        and events.occurred_at > levels.updated_at - interval '2 days'
        and events.occurred_at <= levels.updated_at
    group by events.product_id, events.location_code
)

select
    levels.product_id,
    levels.location_code,
    levels.on_hand,
    coalesce(committed.quantity, 0),
    greatest(places.target - levels.on_hand, 0),
    ceil(places.target / 3.0),
    levels.created_at,
    levels.updated_at
from levels
inner join places using (product_id, location_code)
left join committed using (product_id, location_code)
cross join sim.clock
where
    levels.updated_at >= clock.t0
    and (places.archived_at is null or places.archived_at >= clock.t1)
on conflict (product_id, location_code) do update set
    on_hand = excluded.on_hand,
    committed = excluded.committed,
    incoming = excluded.incoming,
    updated_at = excluded.updated_at;

delete from shop.inventory_levels
using sim.products, sim.clock
where inventory_levels.product_id = products.product_id and products.archived_at < clock.t1;


insert into provider.payments
with visible as (
    select
        payments.*,
        greatest(payments.created_at, case when payments.settled_at < clock.t1 then payments.settled_at end) as updated_at,
        case when payments.settled_at < clock.t1 then payments.final_status else payments.first_status end as status,
        clock.t0
    from sim.payments
    cross join sim.clock
    where payments.created_at < clock.t1
)

select payment_id, order_id, kind, status, method, amount, currency, created_at, updated_at
from visible
where updated_at >= t0
on conflict (payment_id) do update set status = excluded.status, updated_at = excluded.updated_at;


insert into provider.refunds
with visible as (
    select
        refunds.*,
        coalesce(refunds.corrected_at < clock.t1, false) as is_corrected,
        clock.t0
    from sim.refunds
    cross join sim.clock
    where refunds.refunded_at < clock.t1
)

select
    refund_id,
    order_id,
    currency,
    case when is_corrected then 'wrong_item' else reason end,
    shipping_amount,
    adjustment_amount,
    refunded_at,
    case when is_corrected then corrected_at else refunded_at end
from visible
where case when is_corrected then corrected_at else refunded_at end >= t0
on conflict (refund_id) do update set reason = excluded.reason, updated_at = excluded.updated_at;

insert into provider.refund_lines
select
    refund_lines.refund_id,
    refund_lines.order_item_id,
    refund_lines.quantity,
    refund_lines.amount,
    refund_lines.tax_amount,
    refund_lines.restock
from sim.refund_lines
cross join sim.clock
where refund_lines.refunded_at >= clock.t0 and refund_lines.refunded_at < clock.t1;


insert into provider.sessions
with visible as (
    select
        sessions.*,
        greatest(
            sessions.started_at,
            case when sessions.ended_at + interval '5 minutes' < clock.t1 then sessions.ended_at + interval '5 minutes' end,
            case when sessions.identified_at < clock.t1 then sessions.identified_at end
        ) as updated_at,
        clock.t0,
        clock.t1
    from sim.sessions
    cross join sim.clock
    where sessions.started_at < clock.t1
)

select
    session_id,
    case when identified_at is null or identified_at < t1 then customer_id end,
    anonymous_id,
    device,
    utm_source,
    utm_medium,
    utm_campaign,
    referrer,
    landing_page,
    started_at,
    case when ended_at + interval '5 minutes' < t1 then ended_at end,
    updated_at
from visible
where updated_at >= t0
on conflict (session_id) do update set
    customer_id = excluded.customer_id,
    ended_at = excluded.ended_at,
    updated_at = excluded.updated_at;


-- Value of one unit in EUR: a slow walk around 0.92 and 0.0061, on weekdays, from a month before the first order.
insert into provider.fx_rates
with walk as (
    select
        date '2023-12-01' + day as rate_date,
        currencies.currency,
        round(
            (
                currencies.level * (
                    1 + 0.03 * sin(day / 97.0 + currencies.place)
                    + 0.0012 * sum(sim.u(day * 10 + currencies.place, 'fx') - 0.5) over (
                        partition by currencies.currency order by day
                    )
                )
            )::numeric,
            8
        ) as rate
    from sim.clock
    cross join lateral generate_series(0, clock.d1 + 30) as day
    cross join (values (1, 'USD', 0.92), (2, 'JPY', 0.0061)) as currencies (place, currency, level)

    union all

    select date '2023-12-01' + day, 'EUR', 1
    from sim.clock
    cross join lateral generate_series(0, clock.d1 + 30) as day
)

select rate_date, currency, rate
from walk
cross join sim.clock
where extract(isodow from rate_date) < 6 and rate_date < sim.date_of(clock.t1)
on conflict do nothing;

insert into provider.campaign_spend
with clicks as (
    select
        sim.date_of(sim.at(day)) as spend_date,
        campaigns.*,
        campaigns.spend_per_day * greatest(1, sqrt(params.orders / 40000.0)) * sim.demand(day)
        * (0.7 + 0.6 * sim.u(day * 10 + campaigns.place, 'spend')) as spend
    from sim.clock
    cross join sim.params
    cross join lateral generate_series(clock.d0, clock.d1 - 1) as day
    cross join (select row_number() over (order by channel, campaign) as place, * from sim.campaigns) as campaigns
    -- the newsletter goes out on Thursdays
    where campaigns.channel <> 'newsletter' or mod(day, 7) = 3
)

select
    spend_date,
    channel,
    campaign,
    round(spend::numeric, 2),
    currency,
    floor(spend / cost_per_click / click_rate),
    floor(spend / cost_per_click)
from clicks;


-- What no provider should send, once each.
insert into provider.malformed_records
select records.endpoint, records.sort_key, records.updated_at, records.record::json
from sim.clock
cross join (
    values
    (
        'payments', 'bad-amount', sim.at(20.5),
        '{"payment_id": "bad-amount", "order_id": 0, "kind": "sale", "status": "succeeded", "method": "card",'
        ' "amount": "12.50 EUR", "currency": "EUR", "created_at": "2024-01-21T12:00:00.000000Z",'
        ' "updated_at": "2024-01-21T12:00:00.000000Z"}'
    ),
    (
        'payments', 'bad-status', sim.at(21.5),
        '{"payment_id": "bad-status", "order_id": 0, "kind": "sale", "status": "perhaps", "method": "card",'
        ' "amount": "12.50", "currency": "EUR", "created_at": "2024-01-22T12:00:00.000000Z",'
        ' "updated_at": "2024-01-22T12:00:00.000000Z"}'
    ),
    (
        'refunds', 'bad-amount', sim.at(22.5),
        '{"refund_id": "bad-amount", "order_id": 0, "currency": "EUR", "reason": "damaged", "shipping_amount": "none",'
        ' "adjustment_amount": "0.00", "refunded_at": "2024-01-23T12:00:00.000000Z",'
        ' "updated_at": "2024-01-23T12:00:00.000000Z", "lines": []}'
    ),
    (
        'fx_rates', '2024-01-24 XXX', sim.at(23.5),
        '{"rate_date": "2024-01-24", "currency": "XXX", "rate": "n/a"}'
    ),
    (
        'campaign_spend', '2024-01-25 google unknown', sim.at(24.5),
        '{"spend_date": "2024-01-25", "channel": "google", "campaign": "unknown", "amount": "12,50", "currency": "EUR",'
        ' "impressions": 100, "clicks": 3}'
    ),
    (
        'sessions', 'bad-date', sim.at(25.5),
        '{"session_id": "bad-date", "customer_id": null, "anonymous_id": "anon-x", "device": "mobile", "utm_source": null,'
        ' "utm_medium": null, "utm_campaign": null, "referrer": null, "landing_page": "/",'
        ' "started_at": "2024-02-30T12:00:00.000000Z", "ended_at": null, "updated_at": "2024-01-26T12:00:00.000000Z"}'
    )
) as records (endpoint, sort_key, updated_at, record)
where records.updated_at >= clock.t0 and records.updated_at < clock.t1;
