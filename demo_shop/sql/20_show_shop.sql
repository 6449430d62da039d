-- Let the shop show what has happened up to t1. Only rows that changed in [t0, t1) are touched.

insert into shop.stores
select
    store_id,
    name,
    country_code,
    timezone,
    currency,
    prices_include_tax,
    sim.at(-400) as created_at,
    sim.at(-400) as updated_at,
    null as deleted_at
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

select
    supplier_id,
    name,
    lead_time_days,
    min_order_quantity,
    created_at,
    updated_at,
    deleted_at
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
    inner join sim.words on persons.store_id = words.store_id
    cross join sim.clock
    where persons.registered_at < clock.t1
),

dated as (
    select
        lives.*,
        case when lives.person_id in (12, 13) or sim.u(lives.person_id, 'moves') < 0.06
                then lives.since
                    + sim.lasting(20 + sim.u(lives.person_id, 'move day') * 180, '24 hours')
        end as moved_at,
        case when sim.u(lives.person_id, 'new e-mail') < 0.03
                then lives.since
                    + sim.lasting(30 + sim.u(lives.person_id, 'e-mail day') * 250, '24 hours')
        end as new_email_at,
        case when sim.u(lives.person_id, 'changes opt-in') < 0.15
                then lives.since
                    + sim.lasting(10 + sim.u(lives.person_id, 'opt-in day') * 300, '24 hours')
        end as opt_in_at,
        case when lives.person_id = 20 or sim.u(lives.person_id, 'erased') < 0.006
                then lives.since
                    + sim.lasting(90 + sim.u(lives.person_id, 'erasure day') * 200, '24 hours')
        end as erased_at,
        case when lives.person_id in (20, 22) or sim.u(lives.person_id, 'deleted') < 0.008
                then lives.since
                    + sim.lasting(300 + sim.u(lives.person_id, 'deletion day') * 90, '24 hours')
        end as deleted_at
    from lives
),

visible as (
    select
        dated.*,
        coalesce(dated.erased_at < dated.t1, false) as is_erased,
        coalesce(dated.moved_at < dated.t1, false) as has_moved,
        greatest(
            dated.registered_at,
            case when dated.moved_at < dated.t1 then dated.moved_at end,
            case when dated.new_email_at < dated.t1 then dated.new_email_at end,
            case when dated.opt_in_at < dated.t1 then dated.opt_in_at end,
            case when dated.erased_at < dated.t1 then dated.erased_at end,
            case when dated.deleted_at < dated.t1 then dated.deleted_at end
        ) as updated_at
    from dated
)

select
    person_id as customer_id,
    case
        when is_erased then 'erased-' || person_id || '@example.invalid'
        when person_id = 25 then ''
        when new_email_at < t1 then 'new.' || email
        else email
    end as email,
    case when not is_erased then first_name end as first_name,
    case when not is_erased then last_name end as last_name,
    case when not is_erased and sim.u(person_id, 'phone') < 0.7
            then '+' || (array['49', '1', '81'])[store_id] || ' 555 '
                || lpad(floor(sim.u(person_id, 'number') * 1000000)::text, 6, '0')
    end as phone,
    case when not is_erased and sim.u(person_id, 'birth date') < 0.6 then birth_date end as birth_date,
    case when has_moved then new_country_code else country_code end as country_code,
    case when not is_erased then split_part(case when has_moved then new_place else place end, '|', 1) end as region,
    case when not is_erased then split_part(case when has_moved then new_place else place end, '|', 2) end as city,
    case when is_erased then false else opted_in <> coalesce(opt_in_at < t1, false) end as marketing_opt_in,
    mod(person_id, 400) = 7 as is_test,
    registered_at as created_at,
    updated_at,
    case when deleted_at < t1 then deleted_at end as deleted_at
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
    cross join
        lateral (
            select
                price_changes.list_price,
                price_changes.list_cost,
                price_changes.valid_from
            from sim.price_changes
            where price_changes.product_id = products.product_id and price_changes.valid_from < clock.t1
            order by price_changes.valid_from desc
            limit 1
        ) as prices
    where products.created_at < clock.t1
)

select
    product_id,
    'SKU-' || lpad(product_id::text, 6, '0') as sku,
    product_name,
    current_category as category,
    subcategory,
    brand,
    case currency when 'JPY' then round(list_price * factor, -1) else round(list_price * factor, 2) end as unit_price,
    round(list_cost * factor, 4) as unit_cost,
    currency,
    supplier_id,
    status,
    created_at,
    updated_at,
    case when deleted_at < t1 then deleted_at end as deleted_at
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
    'SH-' || lpad(order_id::text, 8, '0') as order_number,
    store_id,
    customer_id,
    guest_email,
    status,
    channel,
    currency,
    case when is_final then subtotal_amount else subtotal_before_edit end as subtotal_amount,
    discount_amount,
    shipping_amount,
    case when is_final then tax_amount else tax_before_edit end as tax_amount,
    case when is_final then total_amount else total_before_edit end as total_amount,
    coupon_code,
    is_test,
    ordered_at,
    case when cancelled_at < t1 then cancelled_at end as cancelled_at,
    case when shipped_at < t1 then shipped_at end as shipped_at,
    case when delivered_at < t1 then delivered_at end as delivered_at,
    country_code as shipping_country_code,
    session_id,
    ordered_at as created_at,
    updated_at,
    case when deleted_at < t1 then deleted_at end as deleted_at
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
    ordered_at as created_at,
    ordered_at as updated_at
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
    edited_lines.added_at as updated_at
from sim.edited_lines
cross join sim.clock
where
    edited_lines.added_at >= clock.t0
    and edited_lines.added_at < clock.t1
    and (edited_lines.removed_at is null or edited_lines.removed_at >= clock.t1);


insert into shop.inventory_levels
with movements as (
    select
        events.product_id,
        events.location_code,
        sum(events.quantity_delta) as quantity,
        min(events.occurred_at) as first_at,
        max(events.occurred_at) as last_at
    from sim.inventory_events as events
    cross join sim.clock
    where events.occurred_at >= clock.t0 and events.occurred_at < clock.t1
    group by events.product_id, events.location_code
),

-- what was sold in the two days up to the last movement
committed as (
    select
        events.product_id,
        events.location_code,
        -sum(events.quantity_delta) as quantity
    from sim.inventory_events as events
    inner join movements
        on events.product_id = movements.product_id and events.location_code = movements.location_code
    where
        events.reason = 'sale'
        and events.occurred_at > movements.last_at - interval '2 days'
        and events.occurred_at <= movements.last_at
    group by events.product_id, events.location_code
)

select
    movements.product_id,
    movements.location_code,
    movements.quantity + coalesce(levels.on_hand, 0) as on_hand,
    coalesce(committed.quantity, 0) as committed,
    greatest(places.target - movements.quantity - coalesce(levels.on_hand, 0), 0) as incoming,
    ceil(places.target / 4.0) as safety_stock,
    movements.first_at as created_at,
    movements.last_at as updated_at
from movements
inner join places on movements.product_id = places.product_id and movements.location_code = places.location_code
left join shop.inventory_levels as levels
    on movements.product_id = levels.product_id and movements.location_code = levels.location_code
left join committed
    on movements.product_id = committed.product_id and movements.location_code = committed.location_code
cross join sim.clock
where places.archived_at is null or places.archived_at >= clock.t1
on conflict (product_id, location_code) do update set
    on_hand = excluded.on_hand,
    committed = excluded.committed,
    incoming = excluded.incoming,
    updated_at = excluded.updated_at;

delete from shop.inventory_levels
using sim.products, sim.clock
where inventory_levels.product_id = products.product_id and products.archived_at < clock.t1;
