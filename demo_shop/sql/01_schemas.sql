-- Three schemas: the simulator's own (sim), the shop as its owner sees it (shop), the store behind the API (provider).

create schema sim;
create schema shop;
create schema provider;

-- One row: what makes this shop this shop. The shop at any moment is a pure function of this row and of the moment.
create table sim.params (
    seed bigint not null,
    size text not null,
    base_days integer not null, -- the days over which `orders` are spread
    orders integer not null,
    persons integer not null,
    products integer not null,
    suppliers integer not null,
    sessions integer not null,
    session_share numeric not null -- share of the web and app orders whose visit was tracked
);

-- One row: the step being generated, days d0 (included) to d1 (excluded), which is [t0, t1) as moments in UTC.
create table sim.clock (
    d0 integer not null,
    d1 integer not null,
    t0 timestamptz not null,
    t1 timestamptz not null,
    set_at timestamptz not null default clock_timestamp()
);

create table shop.stores (
    store_id bigint primary key,
    name text not null,
    country_code text not null,
    timezone text not null,
    currency text not null,
    prices_include_tax boolean not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);

create table shop.customers (
    customer_id bigint primary key,
    email text,
    first_name text,
    last_name text,
    phone text,
    birth_date date,
    country_code text,
    region text,
    city text,
    marketing_opt_in boolean not null,
    is_test boolean not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);

create table shop.suppliers (
    supplier_id bigint primary key,
    name text not null,
    lead_time_days integer not null,
    min_order_quantity integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);

create table shop.products (
    product_id bigint primary key,
    sku text not null unique,
    product_name text not null,
    category text not null,
    subcategory text not null,
    brand text not null,
    unit_price numeric(14, 2) not null,
    unit_cost numeric(14, 4) not null,
    currency text not null,
    supplier_id bigint not null,
    status text not null check (status in ('draft', 'active', 'archived')),
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);

create table shop.orders (
    order_id bigint primary key,
    order_number text not null unique,
    store_id bigint not null,
    customer_id bigint,
    guest_email text,
    status text not null check (status in ('pending', 'processing', 'shipped', 'delivered', 'cancelled', 'returned')),
    channel text not null,
    currency text not null,
    subtotal_amount numeric(14, 2) not null,
    discount_amount numeric(14, 2) not null,
    shipping_amount numeric(14, 2) not null,
    tax_amount numeric(14, 2) not null,
    total_amount numeric(14, 2) not null,
    coupon_code text,
    is_test boolean not null,
    ordered_at timestamptz not null,
    cancelled_at timestamptz,
    shipped_at timestamptz,
    delivered_at timestamptz,
    shipping_country_code text,
    session_id text,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);

create table shop.order_items (
    order_item_id bigint primary key,
    order_id bigint not null,
    product_id bigint,
    product_name text not null,
    quantity integer not null,
    unit_price numeric(14, 2) not null,
    unit_cost numeric(14, 4),
    discount_amount numeric(14, 2) not null,
    tax_amount numeric(14, 2) not null,
    is_gift_card boolean not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create table shop.inventory_levels (
    product_id bigint not null,
    location_code text not null,
    on_hand integer not null,
    committed integer not null,
    incoming integer not null,
    safety_stock integer not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    primary key (product_id, location_code)
);

create table provider.payments (
    payment_id text primary key,
    order_id bigint not null,
    kind text not null,
    status text not null,
    method text not null,
    amount numeric(14, 2) not null,
    currency text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create table provider.refunds (
    refund_id text primary key,
    order_id bigint not null,
    currency text not null,
    reason text not null,
    shipping_amount numeric(14, 2) not null,
    adjustment_amount numeric(14, 2) not null,
    refunded_at timestamptz not null,
    updated_at timestamptz not null
);

create table provider.refund_lines (
    refund_id text not null,
    order_item_id bigint not null,
    quantity integer not null,
    amount numeric(14, 2) not null,
    tax_amount numeric(14, 2) not null,
    restock boolean not null,
    primary key (refund_id, order_item_id)
);

create table provider.fx_rates (
    rate_date date not null,
    currency text not null,
    rate numeric(18, 8) not null,
    primary key (rate_date, currency)
);

create table provider.campaign_spend (
    spend_date date not null,
    channel text not null,
    campaign text not null,
    amount numeric(14, 2) not null,
    currency text not null,
    impressions integer not null,
    clicks integer not null,
    primary key (spend_date, channel, campaign)
);

create table provider.sessions (
    session_id text primary key,
    customer_id bigint,
    anonymous_id text not null,
    device text not null,
    utm_source text,
    utm_medium text,
    utm_campaign text,
    referrer text,
    landing_page text not null,
    started_at timestamptz not null,
    ended_at timestamptz,
    updated_at timestamptz not null
);

-- Records that the API serves besides the proper ones, as broken as they were written. `sort_key` is the record's key.
create table provider.malformed_records (
    endpoint text not null,
    sort_key text not null,
    updated_at timestamptz not null,
    record json not null,
    primary key (endpoint, sort_key)
);

-- Keeps updated_at when an update does not set it. The shop's clock goes on from the simulated day at the real speed,
-- but never into the next simulated day.
create function shop.keep_updated_at() returns trigger
language plpgsql security definer set search_path = pg_catalog as $$
begin
    if new.updated_at is not distinct from old.updated_at then
        select clock.t1 + least(clock_timestamp() - clock.set_at, interval '23 hours 59 minutes')
        into new.updated_at
        from sim.clock;
        new.updated_at := coalesce(new.updated_at, clock_timestamp());
    end if;
    return new;
end
$$;

do $$
declare
    table_name text;
begin
    foreach table_name in array array[
        'stores', 'customers', 'suppliers', 'products', 'orders', 'order_items', 'inventory_levels'
    ] loop
        execute format(
            'create trigger keep_updated_at before update on shop.%I'
            ' for each row execute function shop.keep_updated_at()',
            table_name
        );
        execute format('create index on shop.%I (updated_at)', table_name);
    end loop;
end
$$;

create index on shop.order_items (order_id);
create index on provider.payments (updated_at, payment_id);
create index on provider.refunds (updated_at, refund_id);
create index on provider.sessions (updated_at, session_id);
