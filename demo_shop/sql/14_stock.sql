-- Movements of stock: sales and returns of the new orders, and receipts, stock-takes and transfers of the days.

create temp table places on commit drop as
select
    products.product_id,
    stores.location_code,
    products.product_id * 10 + stores.store_id as place_id,
    greatest(products.launched_at, sim.at(0)) + interval '6 hours' as opened_at,
    products.archived_at,
    -- about four weeks of sales, for some far more, for some too little
    2 + ceil(
        params.orders * 2.3 / params.base_days * 28
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
inner join sim.popularity on products.product_id = popularity.product_id
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
    inner join sim.orders on lines.order_id = orders.order_id
    inner join sim.stores on lines.store_id = stores.store_id
    where
        lines.product_id is not null
        and not lines.is_gift_card
        and not orders.is_test
        and orders.scenario not in ('never_paid', 'cancelled_unpaid', 'deleted')
),

-- a stock-take per product and place every 60 days; where something is missing it is written off
stock_takes as (
    select
        places.*,
        periods.period,
        sim.at(periods.period * 60 + floor(sim.u(places.place_id * 1000 + periods.period, 'stock-take') * 60))
        + interval '20 hours' as occurred_at
    from places
    cross join sim.clock
    cross join lateral generate_series(clock.d0 / 60, clock.d1 / 60) as periods (period)
    where sim.u(places.place_id * 1000 + periods.period, 'anything lost') < 0.25
),

-- now and then two pieces go from Berlin to New York
transfers as (
    select
        places.*,
        periods.period,
        sim.at(periods.period * 90 + floor(sim.u(places.product_id * 1000 + periods.period, 'transfer day') * 90))
        + interval '14 hours' as occurred_at
    from places
    cross join sim.clock
    cross join lateral generate_series(clock.d0 / 90, clock.d1 / 90) as periods (period)
    where
        places.location_code in ('BER', 'NYC')
        and sim.u(places.product_id * 1000 + periods.period, 'transfer') < 0.2
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
    'inv-b' || order_item_id || '-' || version as event_id,
    product_id,
    location_code,
    quantity as quantity_delta,
    'return' as reason,
    'order ' || order_id as reference,
    given_back_at as occurred_at
from sales
where given_back_at is not null

union all

select
    'inv-r' || returned.order_item_id as event_id,
    returned.product_id,
    stores.location_code,
    returned.quantity as quantity_delta,
    'return' as reason,
    'order ' || returned.order_id as reference,
    returned.refunded_at as occurred_at
from returned
inner join sim.orders on returned.order_id = orders.order_id
inner join sim.stores on orders.store_id = stores.store_id
inner join sim.products on returned.product_id = products.product_id
where returned.restock and not orders.is_test and not products.is_gift_card

union all

select
    'inv-o' || places.place_id as event_id,
    places.product_id,
    places.location_code,
    places.target as quantity_delta,
    'receipt' as reason,
    'first delivery' as reference,
    places.opened_at as occurred_at
from places
cross join sim.clock
where places.opened_at >= clock.t0 and places.opened_at < clock.t1

union all

select
    'inv-a' || stock_takes.place_id || '-' || stock_takes.period as event_id,
    stock_takes.product_id,
    stock_takes.location_code,
    -1 - floor(sim.u(stock_takes.place_id * 1000 + stock_takes.period, 'lost') * 2)::integer as quantity_delta,
    'adjustment' as reason,
    'stock-take' as reference,
    stock_takes.occurred_at
from stock_takes
cross join sim.clock
where
    stock_takes.occurred_at >= clock.t0
    and stock_takes.occurred_at < clock.t1
    and stock_takes.occurred_at > stock_takes.opened_at
    and (stock_takes.archived_at is null or stock_takes.occurred_at < stock_takes.archived_at)

union all

select
    'inv-t' || transfers.place_id || '-' || transfers.period as event_id,
    transfers.product_id,
    transfers.location_code,
    case transfers.location_code when 'BER' then -2 else 2 end as quantity_delta,
    'transfer' as reason,
    'transfer ' || transfers.product_id || '-' || transfers.period as reference,
    transfers.occurred_at
from transfers
cross join sim.clock
where
    transfers.occurred_at >= clock.t0
    and transfers.occurred_at < clock.t1
    and transfers.occurred_at > transfers.opened_at
    and (transfers.archived_at is null or transfers.occurred_at < transfers.archived_at);

analyze sim.inventory_events;

-- On Mondays at six the shelves are filled with what left them since they were last filled; now and then the delivery
-- fails and comes a week or two later.
insert into sim.inventory_events
with weekly as (
    select
        events.product_id,
        events.location_code,
        floor(extract(epoch from events.occurred_at - sim.at(0.25)) / 604800)::integer as week,
        -sum(events.quantity_delta) as units
    from sim.inventory_events as events
    cross join sim.clock
    where
        events.reason <> 'receipt'
        and events.occurred_at >= sim.at(floor(clock.d0 / 7.0) * 7 - 28 + 0.25)
        and events.occurred_at < clock.t1
    group by 1, 2, 3
),

deliveries as (
    select
        weekly.product_id,
        weekly.location_code,
        weekly.units,
        places.place_id,
        places.archived_at,
        weekly.week + case
            when mod(weekly.week + 1, 4) = 0 or sim.u(places.place_id * 1000 + weekly.week + 1, 'fails') >= 0.15 then 1
            when mod(weekly.week + 2, 4) = 0 or sim.u(places.place_id * 1000 + weekly.week + 2, 'fails') >= 0.15 then 2
            when mod(weekly.week + 3, 4) = 0 or sim.u(places.place_id * 1000 + weekly.week + 3, 'fails') >= 0.15 then 3
            else 4
        end as week
    from weekly
    inner join places on weekly.product_id = places.product_id and weekly.location_code = places.location_code
),

totals as (
    select
        place_id,
        product_id,
        location_code,
        archived_at,
        week,
        sum(units) as units,
        sim.at(week * 7) + interval '6 hours' as delivered_at
    from deliveries
    group by 1, 2, 3, 4, 5
)

select
    'inv-d' || totals.place_id || '-' || totals.week as event_id,
    totals.product_id,
    totals.location_code,
    totals.units as quantity_delta,
    'receipt' as reason,
    'delivery of week ' || totals.week as reference,
    totals.delivered_at as occurred_at
from totals
cross join sim.clock
where
    totals.units > 0
    and totals.delivered_at >= clock.t0
    and totals.delivered_at < clock.t1
    and (totals.archived_at is null or totals.delivered_at < totals.archived_at);
