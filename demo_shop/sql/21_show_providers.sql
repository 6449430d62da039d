-- Let the other providers show what has happened up to t1. Only rows that changed in [t0, t1) are touched.

insert into provider.payments
with visible as (
    select
        payments.*,
        greatest(payments.created_at, case when payments.settled_at < clock.t1 then payments.settled_at end)
            as updated_at,
        case when payments.settled_at < clock.t1 then payments.final_status else payments.first_status end as status,
        clock.t0
    from sim.payments
    cross join sim.clock
    where payments.created_at < clock.t1
)

select
    payment_id,
    order_id,
    kind,
    status,
    method,
    amount,
    currency,
    created_at,
    updated_at
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
    case when is_corrected then 'wrong_item' else reason end as reason,
    shipping_amount,
    adjustment_amount,
    refunded_at,
    case when is_corrected then corrected_at else refunded_at end as updated_at
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
            case
                when sessions.ended_at + interval '5 minutes' < clock.t1 then sessions.ended_at + interval '5 minutes'
            end,
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
    case when identified_at is null or identified_at < t1 then customer_id end as customer_id,
    anonymous_id,
    device,
    utm_source,
    utm_medium,
    utm_campaign,
    referrer,
    landing_page,
    started_at,
    case when ended_at + interval '5 minutes' < t1 then ended_at end as ended_at,
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

    select
        date '2023-12-01' + day as rate_date,
        'EUR' as currency,
        1 as rate
    from sim.clock
    cross join lateral generate_series(0, clock.d1 + 30) as day
)

select
    walk.rate_date,
    walk.currency,
    walk.rate
from walk
cross join sim.clock
where extract(isodow from walk.rate_date) < 6 and walk.rate_date < sim.date_of(clock.t1)
on conflict do nothing;

insert into provider.campaign_spend
with campaigns as (
    select
        row_number() over (order by channel, campaign) as place,
        *
    from sim.campaigns
),

clicks as (
    select
        sim.date_of(sim.at(day)) as spend_date,
        campaigns.*,
        campaigns.spend_per_day * greatest(1, sqrt(params.orders / 40000.0)) * sim.demand(day)
        * (0.7 + 0.6 * sim.u(day * 10 + campaigns.place, 'spend')) as spend
    from sim.clock
    cross join sim.params
    cross join lateral generate_series(clock.d0, clock.d1 - 1) as day
    cross join campaigns
    -- the newsletter goes out on Thursdays
    where campaigns.channel <> 'newsletter' or mod(day, 7) = 3
)

select
    spend_date,
    channel,
    campaign,
    round(spend::numeric, 2) as amount,
    currency,
    floor(spend / cost_per_click / click_rate) as impressions,
    floor(spend / cost_per_click) as clicks
from clicks;


-- What no provider should send, once each.
insert into provider.malformed_records
select
    records.endpoint,
    records.sort_key,
    records.updated_at,
    records.record::json as record
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
        'fx_rates', '2024-01-24 XXX', sim.at(23),
        '{"rate_date": "2024-01-24", "currency": "XXX", "rate": "n/a"}'
    ),
    (
        'campaign_spend', '2024-01-25 google unknown', sim.at(24),
        '{"spend_date": "2024-01-25", "channel": "google", "campaign": "unknown", "amount": "12,50", "currency": "EUR",'
        ' "impressions": 100, "clicks": 3}'
    ),
    (
        'sessions', 'bad-date', sim.at(25.5),
        '{"session_id": "bad-date", "customer_id": null, "anonymous_id": "anon-x", "device": "mobile",'
        ' "utm_source": null, "utm_medium": null, "utm_campaign": null, "referrer": null, "landing_page": "/",'
        ' "started_at": "2024-02-30T12:00:00.000000Z", "ended_at": null, "updated_at": "2024-01-26T12:00:00.000000Z"}'
    )
) as records (endpoint, sort_key, updated_at, record)
where records.updated_at >= clock.t0 and records.updated_at < clock.t1;
