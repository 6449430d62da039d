-- Payments and refunds of the new orders, with everything that will still happen to them.

-- What each refund gives back, line by line: `part` tells the two refunds of one order apart.
create temp table returned on commit drop as
with lines_of_refunds as (
    select
        lines.*,
        stories.refunded_at,
        stories.cancelled_at,
        case when stories.scenario = 'refund_twice' and lines.line_no > 1 then 2 else 1 end as part
    from lines
    inner join stories on lines.order_id = stories.order_id
    where
        lines.scenario in ('refund_full', 'refund_fast', 'refund_late', 'refund_twice', 'refund_fee', 'cancelled_paid')
        or (lines.scenario = 'refund_partial' and lines.line_no = 1)
)

select
    order_id,
    part,
    order_item_id,
    product_id,
    case when scenario = 'refund_partial' then 1 else quantity end as quantity,
    -- one of three pieces: rounded, the customer keeps the rest
    case when scenario = 'refund_partial' then round(value_amount / 3, minor_units) else value_amount end as amount,
    case when scenario = 'refund_partial' then round(tax_amount / 3, minor_units) else tax_amount end as tax_amount,
    scenario = 'cancelled_paid' or sim.u(order_item_id, 'restock') < 0.8 as restock,
    case
        when scenario = 'cancelled_paid' then cancelled_at
        when part = 2 then refunded_at + interval '33 days'
        else refunded_at
    end as refunded_at
from lines_of_refunds
where kind <> 'sample';

create temp table refunds on commit drop as
with parts as (
    select
        order_id,
        part,
        refunded_at
    from returned
    group by order_id, part, refunded_at

    union all

    select
        order_id,
        1 as part,
        refunded_at
    from stories
    where scenario = 'refund_goodwill'
),

paid_back as (
    select
        order_id,
        part,
        sum(amount + tax_amount) as lines_amount
    from returned
    group by order_id, part
)

select
    'ref-' || (parts.order_id * 10 + parts.part) as refund_id,
    parts.order_id,
    parts.part,
    orders.currency,
    case
        when orders.scenario = 'cancelled_paid' then 'cancelled'
        when orders.scenario = 'refund_goodwill' then 'goodwill'
        else sim.pick('{damaged,not_as_described,changed_mind,arrived_late}', sim.u(parts.order_id, 'reason'))
    end as reason,
    case
        when
            orders.scenario in ('cancelled_paid', 'refund_full', 'refund_fast', 'refund_late')
            then orders.shipping_amount
        else 0
    end as shipping_amount,
    case
        when orders.scenario = 'refund_goodwill'
            then least(stores.goodwill, trunc(orders.total_amount / 2, stores.minor_units))
        when orders.scenario = 'refund_fee'
            then -least(stores.goodwill, trunc(paid_back.lines_amount / 2, stores.minor_units))
        else 0
    end as adjustment_amount,
    parts.refunded_at,
    case
        when parts.order_id = 21 or sim.u(parts.order_id, 'corrected') < 0.08
            then parts.refunded_at + interval '2 days 1 hour'
    end as corrected_at,
    coalesce(paid_back.lines_amount, 0) as lines_amount
from parts
inner join sim.orders on parts.order_id = orders.order_id
inner join sim.stores on orders.store_id = stores.store_id
left join paid_back on parts.order_id = paid_back.order_id and parts.part = paid_back.part;

insert into sim.refunds
select
    refund_id,
    order_id,
    currency,
    reason,
    shipping_amount,
    adjustment_amount,
    refunded_at,
    corrected_at
from refunds;

insert into sim.refund_lines
select
    refunds.refund_id,
    returned.order_item_id,
    returned.product_id,
    returned.quantity,
    returned.amount,
    returned.tax_amount,
    returned.restock,
    returned.refunded_at
from returned
inner join refunds on returned.order_id = refunds.order_id and returned.part = refunds.part;


insert into sim.payments
with orders as (
    select
        orders.*,
        stores.minor_units,
        case
            when orders.channel = 'pos' then sim.pick('{card,cash}', sim.u(orders.order_id, 'method'))
            when orders.payment_flow in ('pending', 'never') then 'bank_transfer'
            when orders.currency = 'JPY' then sim.pick('{card,card,konbini}', sim.u(orders.order_id, 'method'))
            else sim.pick('{card,card,paypal,klarna}', sim.u(orders.order_id, 'method'))
        end as method,
        orders.ordered_at + interval '5 seconds' as first_try_at,
        trunc(orders.total_amount * 0.6, stores.minor_units) as first_part
    from stories
    inner join sim.orders on stories.order_id = orders.order_id
    inner join sim.stores on orders.store_id = stores.store_id
    where orders.total_before_edit > 0
),

steps as (
    select
        order_id,
        1 as step,
        'sale' as kind,
        'succeeded' as status,
        method,
        total_amount as amount,
        processing_at as at
    from orders
    where payment_flow = 'sale'

    union all

    select
        order_id,
        1 as step,
        'sale' as kind,
        'failed' as status,
        method,
        total_amount as amount,
        first_try_at as at
    from orders
    where payment_flow in ('failed_first', 'failed_only')

    union all

    select
        order_id,
        2 as step,
        'sale' as kind,
        'succeeded' as status,
        method,
        total_amount as amount,
        processing_at as at
    from orders
    where payment_flow = 'failed_first'

    union all

    select
        order_id,
        1 as step,
        'sale' as kind,
        'succeeded' as status,
        'gift_card' as method,
        first_part as amount,
        processing_at as at
    from orders
    where payment_flow = 'split'

    union all

    select
        order_id,
        2 as step,
        'sale' as kind,
        'succeeded' as status,
        method,
        total_amount - first_part as amount,
        processing_at as at
    from orders
    where payment_flow = 'split'

    union all

    select
        order_id,
        1 as step,
        'sale' as kind,
        'pending' as status,
        method,
        total_amount as amount,
        first_try_at as at
    from orders
    where payment_flow in ('pending', 'never')

    union all

    select
        order_id,
        1 as step,
        'authorization' as kind,
        'succeeded' as status,
        method,
        total_before_edit as amount,
        coalesce(processing_at, first_try_at) as at
    from orders
    where payment_flow in ('auth_capture', 'void')

    union all

    -- an edit that makes the order dearer needs another authorization
    select
        order_id,
        2 as step,
        'authorization' as kind,
        'succeeded' as status,
        method,
        total_amount - total_before_edit as amount,
        edited_at as at
    from orders
    where payment_flow = 'auth_capture' and total_amount > total_before_edit

    union all

    select
        order_id,
        3 as step,
        'capture' as kind,
        'succeeded' as status,
        method,
        total_amount as amount,
        shipped_at as at
    from orders
    where payment_flow = 'auth_capture'

    union all

    select
        order_id,
        3 as step,
        'void' as kind,
        'succeeded' as status,
        method,
        total_before_edit as amount,
        coalesce(cancelled_at, deleted_at) as at
    from orders
    where payment_flow = 'void'

    union all

    select
        refunds.order_id,
        5 + refunds.part as step,
        'refund' as kind,
        case when sim.u(refunds.order_id, 'slow refund') < 0.3 then 'pending' else 'succeeded' end as status,
        orders.method,
        refunds.lines_amount + refunds.shipping_amount + refunds.adjustment_amount as amount,
        refunds.refunded_at as at
    from refunds
    inner join orders on refunds.order_id = orders.order_id
)

select
    'pay-' || (steps.order_id * 10 + steps.step) as payment_id,
    steps.order_id,
    steps.kind,
    steps.status as first_status,
    case when steps.status = 'pending' and orders.payment_flow <> 'never' then 'succeeded' else steps.status end
        as final_status,
    steps.method,
    steps.amount,
    orders.currency,
    steps.at as created_at,
    case
        when steps.status <> 'pending' or orders.payment_flow = 'never' then null
        when steps.kind = 'refund' then steps.at + interval '31 hours'
        else orders.processing_at
    end as settled_at
from steps
inner join orders on steps.order_id = orders.order_id
where steps.amount > 0;
