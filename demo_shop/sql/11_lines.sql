-- The lines of the new orders, their amounts, and with them the amounts of the orders.

-- Baskets: 1 to 6 product lines; a product chosen twice stays one line. Popular products are chosen more often, and the
-- second to fourth product is often the companion of the first.
create temp table baskets on commit drop as
with slots as (
    select
        stories.order_id,
        stories.store_id,
        stories.ordered_at,
        stories.scenario,
        stories.order_id * 10 + line_no as line_id,
        line_no,
        params.products - 1 as choice,
        power(sim.u(stories.order_id * 10 + 1, 'product'), 1.6) as first_choice,
        power(sim.u(stories.order_id * 10 + line_no, 'product'), 1.6) as own_choice
    from stories
    cross join sim.params
    cross join lateral generate_series(
        1,
        greatest(
            case when stories.scenario like 'edited%' or stories.scenario = 'refund_twice' then 2 else 1 end,
            case when stories.scenario = 'uneven_coupon' then 3 else 1 end,
            1 + width_bucket(
                sim.u(stories.order_id, 'lines'), array[0.38, 0.65, 0.81, 0.91, 0.97]::double precision[]
            )
        )
    ) as line_no
),

wanted as (
    select
        slots.*,
        1 + floor(slots.first_choice * slots.choice)::bigint as first_place,
        case
            when slots.line_no between 2 and 4 and sim.u(slots.line_id, 'companion') < 0.30
                then 1 + mod(floor(slots.first_choice * slots.choice)::bigint * 7 + 2 * slots.line_no, slots.choice)
            else 1 + floor(slots.own_choice * slots.choice)::bigint
        end as place
    from slots
),

available as (
    select
        wanted.order_id,
        wanted.store_id,
        wanted.ordered_at,
        wanted.scenario,
        wanted.line_no,
        case
            when
                -- where two different products are needed, the first two lines are neighbours among the evergreens
                wanted.line_no <= 2
                and (wanted.scenario like 'edited%' or wanted.scenario in ('refund_twice', 'uneven_coupon'))
                then evergreens.product_ids[
                        1 + mod(wanted.first_place + wanted.line_no, cardinality(evergreens.product_ids))
                    ]
            when
                wanted.ordered_at >= products.launched_at
                and (products.archived_at is null or wanted.ordered_at < products.archived_at)
                then products.product_id
            else evergreens.product_ids[1 + mod(wanted.place, cardinality(evergreens.product_ids))]
        end as product_id
    from wanted
    inner join sim.popularity on wanted.place = popularity.place
    inner join sim.products on popularity.product_id = products.product_id
    cross join sim.evergreens
)

select distinct on (order_id, product_id)
    order_id,
    store_id,
    ordered_at,
    scenario,
    line_no,
    product_id
from available
order by order_id asc, product_id asc, line_no asc;

analyze baskets;


-- Every line as sold: the products, and now and then a gift card (line 0), a free sample (7), a line of free text (8),
-- and what an edit adds (9). Edited orders keep both versions of a line.
create temp table sold on commit drop as
with kinds_of_lines as (
    select
        order_id,
        store_id,
        ordered_at,
        scenario,
        line_no,
        product_id,
        'product' as kind
    from baskets

    union all

    select
        stories.order_id,
        stories.store_id,
        stories.ordered_at,
        stories.scenario,
        0 as line_no,
        params.products as product_id,
        'gift card' as kind
    from stories
    cross join sim.params
    where
        stories.scenario = 'gift_card'
        or (stories.scenario in ('normal', 'refund_full') and sim.u(stories.order_id, 'gift card') < 0.012)

    union all

    select
        stories.order_id,
        stories.store_id,
        stories.ordered_at,
        stories.scenario,
        7 as line_no,
        evergreens.product_ids[1 + mod(stories.order_id, cardinality(evergreens.product_ids))] as product_id,
        'sample' as kind
    from stories
    cross join sim.evergreens
    where stories.scenario = 'sample' or (stories.scenario = 'normal' and sim.u(stories.order_id, 'sample') < 0.015)

    union all

    select
        stories.order_id,
        stories.store_id,
        stories.ordered_at,
        stories.scenario,
        8 as line_no,
        null as product_id,
        'free text' as kind
    from stories
    where
        stories.scenario = 'free_text'
        or (stories.scenario in ('normal', 'refund_full') and sim.u(stories.order_id, 'free text') < 0.012)

    union all

    select
        stories.order_id,
        stories.store_id,
        stories.ordered_at,
        stories.scenario,
        9 as line_no,
        evergreens.product_ids[1 + mod(stories.order_id * 3, cardinality(evergreens.product_ids))] as product_id,
        'added' as kind
    from stories
    cross join sim.evergreens
    where stories.scenario in ('edited_add', 'edited_swap')
),

priced as (
    select
        wares.order_id,
        wares.order_id * 10 + wares.line_no as order_item_id,
        wares.store_id,
        wares.scenario,
        wares.kind,
        wares.line_no,
        -- one line has lost its product
        case when wares.scenario = 'lost_product' and wares.line_no = 1 then null else wares.product_id end
            as product_id,
        coalesce(
            products.product_name,
            sim.pick('{Postage,Gift wrapping,Sample pack}', sim.u(wares.order_id, 'free text kind'))
        ) as product_name,
        case
            when wares.kind <> 'product' then 1
            when wares.line_no = 1 and wares.scenario in ('refund_partial', 'edited_quantity') then 3
            else (array[1, 2, 3, 5, 10])[1 + width_bucket(
                    sim.u(wares.order_id * 10 + wares.line_no, 'quantity'),
                    array[0.80, 0.94, 0.98, 0.995]::double precision[]
                )]
        end as quantity,
        case
            when wares.kind = 'sample' then 0
            when wares.kind = 'gift card'
                then (case stores.currency when 'JPY' then array[3000, 5000, 10000] else array[25, 50, 100] end)[
                        1 + floor(sim.u(wares.order_id, 'gift card value') * 3)::integer
                    ]
            when wares.kind = 'free text' then case stores.currency when 'JPY' then 350 else 2.50 end
            else store_prices.unit_price
        end as unit_price,
        case
            when wares.kind = 'gift card' then 0
            when
                wares.scenario = 'unknown_cost' or sim.u(wares.order_id * 10 + wares.line_no, 'no cost') < 0.008
                then null
            else store_prices.unit_cost
        end as unit_cost,
        case
            when wares.kind = 'product' and sim.u(wares.order_id * 10 + wares.line_no, 'line discount') < 0.07
                then (array[0.05, 0.10, 0.15, 0.20])[
                        1 + floor(sim.u(wares.order_id * 10 + wares.line_no, 'line discount share') * 4)::integer
                    ]
            else 0
        end as line_discount_share,
        wares.kind = 'gift card' as is_gift_card,
        stores.minor_units,
        stores.prices_include_tax,
        case
            when wares.kind = 'gift card' then 0
            when products.is_reduced_tax then stores.reduced_tax_rate
            else stores.tax_rate
        end as tax_rate,
        wares.ordered_at
    from kinds_of_lines as wares
    inner join sim.stores on wares.store_id = stores.store_id
    left join sim.products on wares.product_id = products.product_id
    left join sim.store_prices
        on wares.product_id = store_prices.product_id
            and wares.store_id = store_prices.store_id
            and wares.ordered_at >= store_prices.valid_from
            and wares.ordered_at < store_prices.valid_to
),

versions as (
    select
        priced.order_id,
        priced.order_item_id,
        priced.store_id,
        priced.scenario,
        priced.kind,
        priced.line_no,
        priced.product_id,
        priced.product_name,
        priced.quantity,
        priced.unit_price,
        priced.unit_cost,
        priced.line_discount_share,
        priced.is_gift_card,
        priced.minor_units,
        priced.prices_include_tax,
        priced.tax_rate,
        priced.ordered_at,
        1 as version,
        case when priced.kind = 'added' then stories.edited_at else priced.ordered_at end as added_at,
        case
            when priced.scenario in ('edited_remove', 'edited_swap') and priced.line_no = 2 then stories.edited_at
            when priced.scenario = 'edited_quantity' and priced.line_no = 1 then stories.edited_at
        end as removed_at
    from priced
    inner join stories on priced.order_id = stories.order_id

    union all

    select
        priced.order_id,
        priced.order_item_id,
        priced.store_id,
        priced.scenario,
        priced.kind,
        priced.line_no,
        priced.product_id,
        priced.product_name,
        priced.quantity - 1 as quantity,
        priced.unit_price,
        priced.unit_cost,
        priced.line_discount_share,
        priced.is_gift_card,
        priced.minor_units,
        priced.prices_include_tax,
        priced.tax_rate,
        priced.ordered_at,
        2 as version,
        stories.edited_at as added_at,
        null as removed_at
    from priced
    inner join stories on priced.order_id = stories.order_id
    where priced.scenario = 'edited_quantity' and priced.line_no = 1
)

select
    order_id,
    order_item_id,
    version,
    store_id,
    scenario,
    kind,
    line_no,
    product_id,
    product_name,
    quantity,
    unit_price,
    unit_cost,
    round(quantity * unit_price * line_discount_share, minor_units) as discount_amount,
    quantity * unit_price - round(quantity * unit_price * line_discount_share, minor_units) as line_amount,
    is_gift_card,
    minor_units,
    prices_include_tax,
    tax_rate,
    ordered_at,
    added_at,
    removed_at
from versions;

analyze sold;


-- Coupons: the order's discount and each line's share of it, to the minor unit, by largest remainder.
create temp table coupon_shares on commit drop as
with orders_with_coupon as (
    select
        sold.order_id,
        sold.minor_units,
        sum(sold.line_amount) as subtotal_amount,
        case
            when stories.coupon_code = 'WELCOME10' then round(sum(sold.line_amount) * 0.10, sold.minor_units)
            when coupons.share is not null then round(sum(sold.line_amount) * coupons.share, sold.minor_units)
            else least(
                    round(coupons.amount * stores.price_factor, sold.minor_units),
                    round(sum(sold.line_amount) * 0.5, sold.minor_units)
                )
        end as discount_amount
    from sold
    inner join stories on sold.order_id = stories.order_id
    inner join sim.stores on sold.store_id = stores.store_id
    left join sim.coupons on stories.coupon_code = coupons.code
    where stories.coupon_code is not null
    group by sold.order_id, sold.minor_units, stories.coupon_code, coupons.share, coupons.amount, stores.price_factor
),

exact as (
    select
        sold.order_id,
        sold.order_item_id,
        sold.minor_units,
        orders_with_coupon.discount_amount,
        orders_with_coupon.discount_amount * sold.line_amount / orders_with_coupon.subtotal_amount as exact_share,
        trunc(
            orders_with_coupon.discount_amount * sold.line_amount / orders_with_coupon.subtotal_amount,
            sold.minor_units
        ) as floor_share
    from sold
    inner join orders_with_coupon on sold.order_id = orders_with_coupon.order_id
    where orders_with_coupon.subtotal_amount > 0
)

select
    order_id,
    order_item_id,
    discount_amount as order_discount_amount,
    floor_share
    + case
        when
            row_number() over (partition by order_id order by exact_share - floor_share desc, order_item_id asc)
            <= (discount_amount - sum(floor_share) over (partition by order_id)) * power(10::numeric, minor_units)
            then power(10::numeric, -minor_units)
        else 0
    end as share_amount
from exact;

alter table coupon_shares add primary key (order_item_id);
analyze coupon_shares;


-- Lines with their tax. value_amount is what the customer pays for the line without tax.
create temp table lines on commit drop as
with shared as (
    select
        sold.*,
        sold.line_amount - coalesce(coupon_shares.share_amount, 0) as paid_amount
    from sold
    left join coupon_shares on sold.order_item_id = coupon_shares.order_item_id
),

taxed as (
    select
        shared.*,
        case
            when shared.prices_include_tax
                then round(shared.paid_amount * shared.tax_rate / (1 + shared.tax_rate), shared.minor_units)
            else round(shared.paid_amount * shared.tax_rate, shared.minor_units)
        end as tax_amount
    from shared
)

select
    order_id,
    order_item_id,
    version,
    store_id,
    scenario,
    kind,
    line_no,
    product_id,
    product_name,
    quantity,
    unit_price,
    unit_cost,
    discount_amount,
    line_amount,
    is_gift_card,
    minor_units,
    prices_include_tax,
    ordered_at,
    added_at,
    removed_at,
    tax_amount,
    paid_amount - case when prices_include_tax then tax_amount else 0 end as value_amount
from taxed;

analyze lines;


insert into sim.orders
with totals as (
    select
        order_id,
        sum(line_amount) filter (where version = 1 and added_at = ordered_at) as subtotal_before_edit,
        sum(tax_amount) filter (where version = 1 and added_at = ordered_at) as tax_before_edit,
        sum(line_amount) filter (where removed_at is null) as subtotal_amount,
        sum(tax_amount) filter (where removed_at is null) as tax_amount
    from lines
    group by order_id
),

discounts as (
    select distinct
        order_id,
        order_discount_amount
    from coupon_shares
),

amounts as (
    select
        stories.*,
        coalesce(stories.registered_at <= stories.ordered_at, false)
        and sim.u(stories.order_id, 'checks out as guest') >= 0.02 as is_customer,
        stores.currency,
        stores.prices_include_tax,
        totals.subtotal_before_edit,
        totals.tax_before_edit,
        totals.subtotal_amount,
        totals.tax_amount,
        coalesce(discounts.order_discount_amount, 0) as discount_amount,
        case
            when stories.channel = 'pos' then 0
            when totals.subtotal_before_edit - coalesce(discounts.order_discount_amount, 0) >= stores.free_shipping_from
                then 0
            else stores.shipping_fee
        end as shipping_amount
    from stories
    inner join sim.stores on stories.store_id = stores.store_id
    inner join totals on stories.order_id = totals.order_id
    left join discounts on stories.order_id = discounts.order_id
)

select
    amounts.order_id,
    amounts.person_id,
    amounts.store_id,
    case when amounts.is_customer then amounts.person_id end as customer_id,
    case
        when amounts.is_customer then null
        -- people type their address in their own way
        when sim.u(amounts.order_id, 'spelling') < 0.15 then upper(amounts.email)
        when sim.u(amounts.order_id, 'spelling') < 0.35 then initcap(amounts.email)
        when sim.u(amounts.order_id, 'spelling') < 0.40 then ' ' || amounts.email
        else amounts.email
    end as guest_email,
    amounts.channel,
    amounts.currency,
    amounts.country_code,
    amounts.scenario,
    amounts.payment_flow,
    amounts.is_test,
    case
        when
            amounts.channel in ('web', 'app')
            and sim.u(amounts.order_id, 'tracked') < params.session_share::double precision
            then 'ses-' || (amounts.order_id * 2)
    end as session_id,
    amounts.coupon_code,
    amounts.discount_amount,
    amounts.shipping_amount,
    amounts.subtotal_before_edit,
    amounts.tax_before_edit,
    amounts.subtotal_before_edit - amounts.discount_amount + amounts.shipping_amount
    + case when amounts.prices_include_tax then 0 else amounts.tax_before_edit end as total_before_edit,
    amounts.subtotal_amount,
    amounts.tax_amount,
    amounts.subtotal_amount - amounts.discount_amount + amounts.shipping_amount
    + case when amounts.prices_include_tax then 0 else amounts.tax_amount end as total_amount,
    amounts.ordered_at,
    amounts.processing_at,
    amounts.edited_at,
    amounts.shipped_at,
    amounts.delivered_at,
    amounts.cancelled_at,
    amounts.returned_at,
    amounts.deleted_at
from amounts
cross join sim.params;

insert into sim.edited_lines
select
    order_item_id,
    version,
    order_id,
    product_id,
    product_name,
    quantity,
    unit_price,
    unit_cost,
    discount_amount,
    tax_amount,
    is_gift_card,
    case when version = 1 then added_at else ordered_at end as created_at,
    added_at,
    removed_at
from lines
where scenario like 'edited%';
