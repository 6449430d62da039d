-- The world the shop lives in: chance, words, stores, products and their prices, and the calendar of demand.
-- Everything here depends on sim.params only.

-- Chance without memory: a number in [0, 1) that depends on the seed, an id and a purpose, and on nothing else.
do $$
begin
    execute format(
        $body$
        create function sim.u(id bigint, purpose text) returns double precision
        language sql immutable parallel safe as $f$
            select ((hashint8extended(id, hashtextextended(purpose collate "C", %s)) >> 11) & 9007199254740991)
                / 9007199254740992.0::double precision
        $f$
        $body$,
        (select seed from sim.params)
    );
end
$$;

-- One of several words by chance.
create function sim.pick(words text[], chance double precision) returns text
language sql immutable parallel safe as $$
    select words[1 + floor(chance * cardinality(words))::integer]
$$;

-- The moment when day number `day` begins. Day 0 is 2024-01-01.
create function sim.at(day double precision) returns timestamptz
language sql immutable parallel safe as $$
    select timestamptz '2024-01-01 00:00:00+00' + day * interval '24 hours'
$$;

-- A length of time, in whole seconds.
create function sim.lasting(amount double precision, unit interval) returns interval
language sql immutable parallel safe as $$
    select date_trunc('second', amount * unit)
$$;

create function sim.day_of(moment timestamptz) returns integer
language sql immutable parallel safe as $$
    select floor(extract(epoch from moment - timestamptz '2024-01-01 00:00:00+00') / 86400)::integer
$$;

create function sim.date_of(moment timestamptz) returns date
language sql immutable parallel safe as $$
    select (moment at time zone 'UTC')::date
$$;


-- Stores. price_factor turns a list price in EUR into the store's currency.
create table sim.stores as
select *
from (
    values
    (1, 'Storehouse Europe', 'DE', 'Europe/Berlin', 'EUR', true, 'BER', 1.0, 2, 0.19, 0.07, 1, 4.90, 60.00, 5.00),
    (2, 'Storehouse USA', 'US', 'America/New_York', 'USD', false, 'NYC', 1.0, 2, 0.08875, 0.0, -5, 6.95, 75.00, 5.00),
    (3, 'Storehouse Japan', 'JP', 'Asia/Tokyo', 'JPY', true, 'TYO', 160.0, 0, 0.10, 0.08, 9, 600, 6000, 500)
) as stores (
    store_id, name, country_code, timezone, currency, prices_include_tax, location_code, price_factor, minor_units,
    tax_rate, reduced_tax_rate, utc_offset_hours, shipping_fee, free_shipping_from, goodwill
);


-- Names and places of the customers, by store
create table sim.words as
select *
from (
    values
    (
        1,
        '{Anna,Lukas,Marie,Felix,Sophie,Jonas,Clara,Paul,Giulia,Pieter,Camille,Hugo,Lena,Elif,Emre,Nora,Ben}'::text[],
        '{Maier,Schmitt,Vogel,Keller,Brandt,Lang,Dubois,Moreau,Rossi,Bakker,Huber,Wagner,Yilmaz,Sommer,Frank}'::text[],
        '{Berlin|Berlin,Bavaria|Munich,Hesse|Frankfurt,Hamburg|Hamburg,Saxony|Leipzig}'::text[]
    ),
    (
        2,
        '{Emma,Liam,Olivia,Noah,Ava,Mason,Mia,Ethan,Zoe,Carlos,Grace,Jack,Ruby,Owen,Priya,Diego,Hannah,Leo}'::text[],
        '{Smith,Garcia,Johnson,Brown,Miller,Davis,Nguyen,Lopez,Wilson,Clark,Patel,Young,Reed,Cooper,Hayes}'::text[],
        '{New York|New York,California|San Diego,Texas|Austin,Illinois|Chicago,Oregon|Portland}'::text[]
    ),
    (
        3,
        '{Haruto,Yui,Sota,Aoi,Ren,Hina,Yuto,Sakura,Riku,Mei,Kaito,Rin,Daiki,Emi,Shota,Nao}'::text[],
        '{Sato,Suzuki,Takahashi,Tanaka,Watanabe,Ito,Yamamoto,Nakamura,Kobayashi,Kato,Mori,Abe}'::text[],
        '{Tokyo|Tokyo,Osaka|Osaka,Kanagawa|Yokohama,Aichi|Nagoya,Fukuoka|Fukuoka}'::text[]
    )
) as words (store_id, first_names, last_names, places);


-- Products
create table sim.kinds as
select
    row_number() over () as kind_id,
    kinds.*
from (
    values
    ('Kitchen', 'Cookware', '{Saucepan,Frying Pan,Stock Pot,Wok,Casserole Dish}'::text[], 24, 120, false),
    ('Kitchen', 'Knives', '{Chef Knife,Paring Knife,Bread Knife,Santoku}'::text[], 15, 140, false),
    ('Kitchen', 'Storage', '{Bread Bin,Spice Rack,Glass Jar Set,Lunch Box}'::text[], 8, 45, false),
    ('Pantry', 'Coffee', '{Espresso Beans,Filter Coffee,Cold Brew Blend}'::text[], 8, 26, true),
    ('Pantry', 'Tea', '{Green Tea,Earl Grey,Herbal Tea,Chai}'::text[], 5, 19, true),
    ('Pantry', 'Sweets', '{Dark Chocolate,Honey,Almond Biscuits,Nougat}'::text[], 4, 18, true),
    ('Living', 'Lighting', '{Desk Lamp,Floor Lamp,Pendant Light,Lantern}'::text[], 22, 180, false),
    ('Living', 'Textiles', '{Throw,Cushion,Curtain,Rug}'::text[], 15, 160, false),
    ('Living', 'Decoration', '{Vase,Candle Holder,Picture Frame,Wall Clock}'::text[], 9, 80, false),
    ('Garden', 'Tools', '{Secateurs,Spade,Watering Can,Hand Fork}'::text[], 12, 70, false),
    ('Garden', 'Planters', '{Planter,Hanging Basket,Seed Tray,Window Box}'::text[], 7, 60, false),
    ('Outdoor', 'Camping', '{Sleeping Mat,Camp Stove,Folding Chair,Head Torch}'::text[], 18, 130, false),
    ('Outdoor', 'Bags', '{Daypack,Tote Bag,Travel Pouch,Duffel}'::text[], 14, 110, false),
    ('Office', 'Stationery', '{Notebook,Fountain Pen,Desk Pad,Pencil Case}'::text[], 5, 60, false),
    ('Office', 'Desk', '{Monitor Stand,Cable Box,Letter Tray,Footrest}'::text[], 15, 95, false),
    ('Bath', 'Towels', '{Bath Towel,Hand Towel,Bath Mat,Robe}'::text[], 9, 75, false)
) as kinds (category, subcategory, nouns, price_from, price_to, is_reduced_tax);

-- A product's life: launched on a day, perhaps archived, perhaps deleted. The last product is the gift card.
create table sim.products as
with born as (
    select
        series.product_id,
        series.product_id = params.products as is_gift_card,
        case
            when series.product_id <= 0.6 * params.products or series.product_id = params.products then -30
            when series.product_id = params.products - 1 then params.base_days + 5 -- still a draft on the last day
            else floor((0.05 + 0.75 * sim.u(series.product_id, 'launch')) * least(params.base_days, 600))
        end::integer as launch_day,
        1 + mod(series.product_id * 7 + floor(sim.u(series.product_id, 'kind') * 3)::bigint, 16) as kind_id,
        case
            when sim.u(series.product_id, 'currency') < 0.82 then 'EUR'
            when sim.u(series.product_id, 'currency') < 0.93 then 'USD'
            else 'JPY'
        end as currency
    from sim.params
    cross join lateral generate_series(1, params.products) as series (product_id)
)

select
    born.product_id,
    born.is_gift_card,
    born.currency,
    case when born.is_gift_card then 'Gift Cards' else kinds.category end as category,
    case when born.is_gift_card then 'Gift Cards' else kinds.subcategory end as subcategory,
    case
        when born.is_gift_card then 'Storehouse'
        else sim.pick(
                '{Nordlicht,Alder & Co,Kintsugi,Maison Brume,Field Notes,Oak Street,Lumen,Terra Cotta,Hikari}',
                sim.u(born.product_id, 'brand')
            )
    end as brand,
    case
        when born.is_gift_card then 'Gift Card'
        else sim.pick(
                '{Classic,Slim,Large,Small,Rustic,Matte,Linen,Copper,Bamboo,Enamel,Folding,Everyday,Fine,Midnight}',
                sim.u(born.product_id, 'adjective')
            ) || ' ' || sim.pick(kinds.nouns, sim.u(born.product_id, 'noun'))
    end as product_name,
    not born.is_gift_card and kinds.is_reduced_tax as is_reduced_tax,
    1 + mod(born.product_id * 5, params.suppliers) as supplier_id,
    case
        when born.is_gift_card then 50
        else floor(kinds.price_from + (kinds.price_to - kinds.price_from) * power(sim.u(born.product_id, 'price'), 2))
    end::numeric + case when born.is_gift_card then 0 else 0.99 end as base_price,
    (0.34 + 0.28 * sim.u(born.product_id, 'cost'))::numeric(6, 4) as cost_share,
    sim.at(born.launch_day - 7 - floor(sim.u(born.product_id, 'draft') * 14)) + interval '9 hours' as created_at,
    sim.at(born.launch_day) + interval '8 hours' as launched_at,
    case when mod(born.product_id, 9) = 4 and not born.is_gift_card
            then sim.at(greatest(born.launch_day, 0) + 120 + floor(sim.u(born.product_id, 'archive') * 200))
                + interval '17 hours'
    end as archived_at,
    case when mod(born.product_id, 18) = 4 and not born.is_gift_card
            then sim.at(greatest(born.launch_day, 0) + 180 + floor(sim.u(born.product_id, 'archive') * 200))
                + interval '10 hours'
    end as deleted_at,
    case when mod(born.product_id, 11) = 5
            then sim.at(200 + floor(sim.u(born.product_id, 'move') * 30)) + interval '11 hours'
    end as recategorised_at
from born
inner join sim.kinds on born.kind_id = kinds.kind_id
cross join sim.params;

alter table sim.products add primary key (product_id);

-- The products that are always on sale, which step in where a chosen product is not, and the popularity of each.
create table sim.evergreens as
select array_agg(product_id order by product_id) as product_ids
from sim.products
where launched_at < sim.at(0) and archived_at is null and not is_gift_card;

create table sim.popularity as
select
    row_number() over (order by sim.u(product_id, 'popularity'), product_id) as place,
    product_id
from sim.products
where not is_gift_card;

alter table sim.popularity add primary key (place);

-- Price changes come about every 120 days, cost changes on the first of a month about twice a year, up to day 7300.
create table sim.price_changes as
with changes as (
    select
        products.product_id,
        sim.at(period * 120 + floor(sim.u(products.product_id * 1000 + period, 'price day') * 120))
        + interval '3 hours' as changed_at,
        round((sim.u(products.product_id * 1000 + period, 'price step') * 0.14 - 0.05)::numeric, 3) as price_step,
        0.0 as cost_step
    from sim.products
    cross join generate_series(0, 60) as period
    where sim.u(products.product_id * 1000 + period, 'price change') < 0.45 and not products.is_gift_card

    union all

    select
        products.product_id,
        (timestamp '2024-01-01 02:00:00' + make_interval(months => month::integer)) at time zone 'UTC' as changed_at,
        0.0 as price_step,
        round((sim.u(products.product_id * 1000 + month, 'cost step') * 0.10 - 0.03)::numeric, 3) as cost_step
    from sim.products
    cross join generate_series(1, 240) as month
    where sim.u(products.product_id * 1000 + month, 'cost change') < 0.15 and not products.is_gift_card
),

levels as (
    select
        product_id,
        launched_at - interval '400 days' as changed_at,
        0.0 as price_step,
        0.0 as cost_step
    from sim.products

    union all

    select
        product_id,
        changed_at,
        sum(price_step) as price_step,
        sum(cost_step) as cost_step
    from changes
    group by product_id, changed_at
)

select
    levels.product_id,
    levels.changed_at as valid_from,
    lead(levels.changed_at) over versions as valid_to,
    -- prices end in .99 whatever the step
    floor(products.base_price * (1 + least(sum(levels.price_step) over versions, 1.5)))
    + mod(products.base_price, 1) as list_price,
    round(
        products.base_price * products.cost_share * (1 + least(sum(levels.cost_step) over versions, 1.0)), 4
    ) as list_cost
from levels
inner join sim.products on levels.product_id = products.product_id
window versions as (partition by levels.product_id order by levels.changed_at);

-- Free gift cards would have a cost: they have none.
update sim.price_changes set list_cost = 0
from sim.products
where products.product_id = price_changes.product_id and products.is_gift_card;

alter table sim.price_changes add primary key (product_id, valid_from);

-- What a product costs in each store at a time.
create table sim.store_prices as
select
    price_changes.product_id,
    stores.store_id,
    price_changes.valid_from,
    coalesce(price_changes.valid_to, timestamptz 'infinity') as valid_to,
    case
        when stores.minor_units = 0 then round(price_changes.list_price * stores.price_factor, -1)
        else price_changes.list_price
    end as unit_price,
    round(price_changes.list_cost * stores.price_factor, 4) as unit_cost
from sim.price_changes
cross join sim.stores;

create index on sim.store_prices (product_id, store_id);


-- Demand per day: growth, weekday, season, the days around Black Friday, holidays, and chance.
create function sim.demand(day integer) returns double precision
language sql immutable parallel safe as $$
    select (0.75 + 0.5 * least(day, 1500) / 730.0)
        * (array[1.05, 1.0, 0.98, 1.0, 0.95, 0.9, 1.12])[extract(isodow from calendar.today)::integer]
        * (array[0.85, 0.8, 0.92, 0.95, 0.95, 0.9, 0.88, 0.9, 1.0, 1.05, 1.35, 1.5])[
            extract(month from calendar.today)::integer
        ]
        * case
            when extract(isodow from calendar.today) = 5 and to_char(calendar.today, 'MMDD') between '1123' and '1129'
                then 2.6
            when extract(isodow from calendar.today) = 1 and to_char(calendar.today, 'MMDD') between '1126' and '1202'
                then 2.0
            when to_char(calendar.today, 'MMDD') in ('1224', '1225', '0101') then 0.4
            else 1.0
        end
        * (0.85 + 0.3 * sim.u(day, 'demand'))
    from (select date '2024-01-01' + day as today) as calendar
$$;

-- Orders at moments that are easy to get wrong: local midnight at month ends, and both clock changes of the year.
create table sim.fixed_orders as
select
    row_number() over (partition by sim.day_of(fixed.ordered_at) order by fixed.ordered_at) as place,
    fixed.*
from (
    values
    (timestamptz '2024-01-31 22:59:59.999999+00', 1),
    (timestamptz '2024-01-31 23:00:00+00', 1),
    (timestamptz '2024-02-01 04:59:59.999999+00', 2),
    (timestamptz '2024-02-01 05:00:00+00', 2),
    (timestamptz '2024-02-29 14:59:59+00', 3),
    (timestamptz '2024-02-29 15:00:00+00', 3),
    (timestamptz '2024-03-10 06:59:59+00', 2),
    (timestamptz '2024-03-10 07:00:00+00', 2),
    (timestamptz '2024-03-31 00:59:59+00', 1),
    (timestamptz '2024-03-31 01:00:00+00', 1),
    (timestamptz '2024-03-31 22:30:00+00', 1),
    (timestamptz '2024-10-27 00:30:00+00', 1),
    (timestamptz '2024-10-27 01:30:00+00', 1),
    (timestamptz '2024-11-03 05:30:00+00', 2),
    (timestamptz '2024-11-03 06:30:00+00', 2),
    (timestamptz '2024-12-31 23:30:00+00', 1)
) as fixed (ordered_at, store_id);

-- Order numbers whose story is fixed, so that every special case occurs in the smallest shop.
create table sim.fixed_scenarios as
select
    fixed.order_id,
    fixed.scenario,
    fixed.payment_flow
from (
    values
    (11, 'edited_remove', null), (12, 'edited_add', null), (13, 'edited_swap', null), (14, 'edited_quantity', null),
    (15, 'cancelled_unpaid', 'failed_only'), (16, 'cancelled_unpaid', 'void'), (17, 'cancelled_paid', null),
    (18, 'cancelled_late', null), (19, 'never_paid', null), (20, 'deleted', null),
    (21, 'refund_partial', null), (22, 'refund_full', null), (23, 'refund_fast', null), (24, 'refund_late', null),
    (25, 'refund_twice', null), (26, 'refund_goodwill', null), (27, 'refund_fee', null),
    (28, 'normal', 'sale'), (29, 'normal', 'auth_capture'), (30, 'normal', 'failed_first'), (31, 'normal', 'split'),
    (32, 'normal', 'pending'), (33, 'test', null), (34, 'lost_product', null), (35, 'gift_card', null),
    (36, 'sample', null), (37, 'free_text', null), (38, 'uneven_coupon', null), (39, 'unknown_cost', null),
    (40, 'refund_full', 'split')
) as fixed (order_id, scenario, payment_flow);

create table sim.coupons as
select *
from (
    values
    ('WINTER10', '0105', '0120', 0.10, null),
    ('SPRING15', '0315', '0331', 0.15, null),
    ('SUMMER5', '0701', '0715', null, 5.00),
    ('BLACK20', '1122', '1202', 0.20, null),
    ('XMAS3', '1210', '1222', null, 3.33)
) as coupons (code, from_day, to_day, share, amount);

create table sim.campaigns as
select *
from (
    values
    ('google', 'cpc', 'brand-search', 'EUR', 30.0, 0.45, 0.09),
    ('google', 'cpc', 'shopping', 'EUR', 55.0, 0.38, 0.02),
    ('meta', 'paid-social', 'prospecting', 'USD', 48.0, 0.62, 0.011),
    ('meta', 'paid-social', 'retargeting', 'USD', 22.0, 0.55, 0.018),
    ('newsletter', 'email', 'weekly', 'EUR', 6.0, 0.04, 0.06),
    ('affiliate', 'referral', 'partners', 'EUR', 14.0, 0.30, 0.015)
) as campaigns (channel, medium, campaign, currency, spend_per_day, cost_per_click, click_rate);
