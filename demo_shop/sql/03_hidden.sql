-- What happens in the shop but is not to be seen yet: filled day by day, shown as time passes.
create table sim.days (
    day integer primary key,
    orders integer not null,
    orders_before bigint not null,
    visits integer not null,
    visits_before bigint not null
);

create table sim.persons (
    person_id bigint primary key,
    store_id bigint not null,
    country_code text not null,
    email text not null,
    first_seen_at timestamptz not null,
    registered_at timestamptz -- null: always a guest
);

create table sim.orders (
    order_id bigint primary key,
    person_id bigint not null,
    store_id bigint not null,
    customer_id bigint,
    guest_email text,
    channel text not null,
    currency text not null,
    country_code text not null,
    scenario text not null,
    payment_flow text not null,
    is_test boolean not null,
    session_id text,
    coupon_code text,
    discount_amount numeric not null,
    shipping_amount numeric not null,
    subtotal_before_edit numeric not null,
    tax_before_edit numeric not null,
    total_before_edit numeric not null,
    subtotal_amount numeric not null,
    tax_amount numeric not null,
    total_amount numeric not null,
    ordered_at timestamptz not null,
    processing_at timestamptz,
    edited_at timestamptz,
    shipped_at timestamptz,
    delivered_at timestamptz,
    cancelled_at timestamptz,
    returned_at timestamptz,
    deleted_at timestamptz
);

-- Every version of the lines of edited orders.
create table sim.edited_lines (
    order_item_id bigint not null,
    version integer not null,
    order_id bigint not null,
    product_id bigint,
    product_name text not null,
    quantity integer not null,
    unit_price numeric not null,
    unit_cost numeric,
    discount_amount numeric not null,
    tax_amount numeric not null,
    is_gift_card boolean not null,
    created_at timestamptz not null,
    added_at timestamptz not null,
    removed_at timestamptz,
    primary key (order_item_id, version)
);

create table sim.payments (
    payment_id text primary key,
    order_id bigint not null,
    kind text not null,
    first_status text not null,
    final_status text not null,
    method text not null,
    amount numeric not null,
    currency text not null,
    created_at timestamptz not null,
    settled_at timestamptz -- null: at once
);

create table sim.refunds (
    refund_id text primary key,
    order_id bigint not null,
    currency text not null,
    reason text not null,
    shipping_amount numeric not null,
    adjustment_amount numeric not null,
    refunded_at timestamptz not null,
    corrected_at timestamptz -- when the reason was corrected
);

create table sim.refund_lines (
    refund_id text not null,
    order_item_id bigint not null,
    product_id bigint,
    quantity integer not null,
    amount numeric not null,
    tax_amount numeric not null,
    restock boolean not null,
    refunded_at timestamptz not null
);

create table sim.sessions (
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
    ended_at timestamptz not null,
    identified_at timestamptz -- when the visitor was recognised, if that was after the visit
);

-- Click events that have not arrived yet.
create table sim.events (
    file_day integer not null,
    part integer not null,
    received_at timestamptz not null,
    event_id text not null,
    record text not null
);

create table sim.inventory_events (
    event_id text not null,
    product_id bigint not null,
    location_code text not null,
    quantity_delta integer not null,
    reason text not null,
    reference text,
    occurred_at timestamptz not null
);
