-- Movements of stock: sales and returns of the new orders, and receipts, stock-takes and transfers of the days.

create temp table places on commit drop as
select
    products.product_id,
    stores.location_code,
    products.product_id * 10 + stores.store_id as place_id,
    greatest(products.launched_at, sim.at(0)) + interval '6 hours' as opened_at,
    products.archived_at,
    -- about three weeks of sales, for some far more, for some too little
    3 + ceil(
        params.orders * 2.3 / params.base_days * 21
        * (
            power(popularity.place::double precision / params.products, 0.625)
            - power((popularity.place - 1)::double precision / params.products, 0.625)
        )
        * (array[0.56, 0.30, 0.14])[stores.store_id]
        * (array[0.5, 1.0, 1.5, 3.0, 12.0])[
            1 + width_bucket(
                sim.u(products.product_id * 10 + stores.store_id, 'stock'),
                array[0.1, 0.6, 0.85, 0.95]::double precision[]
            )
        ]
    )::integer as target
from sim.products
inner join sim.popularity using (product_id)
cross join sim.stores
cross join sim.params;

insert into sim.inventory_events
with sales as (
    select
        lines.order_item_id,
        lines.version,
        lines.order_id,
        lines.product_id,
        stores.location_code,
        lines.quantity,
        lines.added_at,
        coalesce(lines.removed_at, case when orders.scenario = 'cancelled_late' then orders.cancelled_at end)
            as given_back_at
    from lines
    inner join sim.orders using (order_id)
    inner join sim.stores on lines.store_id = stores.store_id
    where
        lines.product_id is not null
        and not lines.is_gift_card
        and not orders.is_test
        and orders.scenario not in ('never_paid', 'cancelled_unpaid', 'deleted')
)

select
    'inv-s' || order_item_id || '-' || version as event_id,
    product_id,
    location_code,
    -quantity as quantity_delta,
    'sale' as reason,
    'order ' || order_id as reference,
    added_at as occurred_at
from sales

union all

select
    'inv-b' || order_item_id || '-' || version,
    product_id,
    location_code,
    quantity,
    'return',
    'order ' || order_id,
    given_back_at
from sales
where given_back_at is not null

union all

select
    'inv-r' || returned.order_item_id,
    returned.product_id,
    stores.location_code,
    returned.quantity,
    'return',
    'order ' || returned.order_id,
    returned.refunded_at
from returned
inner join sim.orders using (order_id)
inner join sim.stores using (store_id)
inner join sim.products on returned.product_id = products.product_id
where returned.restock and not orders.is_test and not products.is_gift_card

union all

select 'inv-o' || place_id, product_id, location_code, target, 'receipt', 'first delivery', opened_at
from places
cross join sim.clock
where opened_at >= clock.t0 and opened_at < clock.t1

union all

-- a stock-take per product and place every 60 days
select
    'inv-a' || place_id || '-' || period,
    product_id,
    location_code,
    -1 - floor(sim.u(place_id * 1000 + period, 'lost') * 2)::integer,
    'adjustment',
    'stock-take',
    counted_at
from places
cross join sim.clock
cross join lateral generate_series(clock.d0 / 60, clock.d1 / 60) as period
cross join lateral (
    select sim.at(period * 60 + floor(sim.u(place_id * 1000 + period, 'stock-take') * 60)) + interval '20 hours'
        as counted_at
) as stock_takes
where
    counted_at >= clock.t0
    and counted_at < clock.t1
    and counted_at > opened_at
    and (archived_at is null or counted_at < archived_at)
    and sim.u(place_id * 1000 + period, 'anything lost') < 0.25

union all

-- now and then two pieces go from Berlin to New York
select
    'inv-t' || place_id || '-' || period,
    product_id,
    location_code,
    case location_code when 'BER' then -2 else 2 end,
    'transfer',
    'transfer ' || product_id || '-' || period,
    moved_at
from places
cross join sim.clock
cross join lateral generate_series(clock.d0 / 90, clock.d1 / 90) as period
cross join lateral (
    select sim.at(period * 90 + floor(sim.u(product_id * 1000 + period, 'transfer day') * 90)) + interval '14 hours'
        as moved_at
) as transfers
where
    moved_at >= clock.t0
    and moved_at < clock.t1
    and moved_at > opened_at
    and (archived_at is null or moved_at < archived_at)
    and location_code in ('BER', 'NYC')
    and sim.u(product_id * 1000 + period, 'transfer') < 0.2;

analyze sim.inventory_events;

-- On Mondays at six the shelves are filled with what was sold since they were last filled; now and then the delivery
-- fails and comes a week or two later.
insert into sim.inventory_events
with weekly as (
    select
        product_id,
        location_code,
        floor(extract(epoch from occurred_at - sim.at(0.25)) / 604800)::integer as week,
        -sum(quantity_delta) as units
    from sim.inventory_events
    cross join sim.clock
    where
        reason in ('sale', 'return')
        and occurred_at >= sim.at(floor(clock.d0 / 7.0) * 7 - 28 + 0.25)
        and occurred_at < clock.t1
    group by 1, 2, 3
),

deliveries as (
    select
        weekly.*,
        places.place_id,
        places.archived_at,
        weekly.week + case
            when mod(weekly.week + 1, 4) = 0 or sim.u(places.place_id * 1000 + weekly.week + 1, 'fails') >= 0.15 then 1
            when mod(weekly.week + 2, 4) = 0 or sim.u(places.place_id * 1000 + weekly.week + 2, 'fails') >= 0.15 then 2
            when mod(weekly.week + 3, 4) = 0 or sim.u(places.place_id * 1000 + weekly.week + 3, 'fails') >= 0.15 then 3
            else 4
        end as delivery_week
    from weekly
    inner join places using (product_id, location_code)
)

select
    'inv-d' || place_id || '-' || delivery_week,
    product_id,
    location_code,
    sum(units),
    'receipt',
    'delivery of week ' || delivery_week,
    sim.at(delivery_week * 7) + interval '6 hours'
from deliveries
cross join sim.clock
where
    delivery_week * 7 >= clock.d0
    and delivery_week * 7 < clock.d1
    and (archived_at is null or sim.at(delivery_week * 7) + interval '6 hours' < archived_at)
group by product_id, location_code, place_id, delivery_week
having sum(units) > 0;
