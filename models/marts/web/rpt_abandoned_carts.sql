-- One row per cart that was left behind, those bought on a later visit too: filter on status. A cart bought within the
-- visit is not here. Amounts are list prices of the day, an upper bound for what was lost.
{%- set last_event_columns = [
    'session_key', 'identity_key', 'device', 'traffic_source', 'session_ended_at', 'event_date', 'event_at',
] %}
{%- set recovery_days = var('cart_recovery_days') %}
{%- set channels = var('web_order_channels') %}

with

cart_events as (
    select * from {{ ref('int_cart_events_grouped') }}
),

sessions as (
    select * from {{ ref('fct_sessions') }}
),

orders as (
    select * from {{ ref('fct_orders') }}
    where
        is_sale
        and channel in ('{{ channels | join("', '") }}')
),

product_versions as (
    select * from {{ ref('dim_products_history') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates_filled_to_days') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

priced as (
    select
        cart_events.*,
        sessions.identity_key,
        sessions.device,
        sessions.traffic_source,
        sessions.ended_at as session_ended_at,
        {{ in_reporting_currency('cart_events.added_quantity * product_versions.unit_price', 'fx_rates.rate') }}
            as reporting_value_amount,
        row_number() over (
            partition by cart_events.visitor_key, cart_events.cart_number
            order by
                case when cart_events.event_type = 'purchase' then 1 else 0 end,
                cart_events.event_at desc,
                cart_events.event_id desc
        ) as last_rank
    from cart_events
    cross join bounds
    inner join sessions on cart_events.session_key = sessions.session_key
    left join product_versions
        on
            cart_events.added_product_id = product_versions.product_id
            and cart_events.event_at >= product_versions.valid_from
            and cart_events.event_at < {{ open_end('product_versions.valid_to') }}
    left join fx_rates
        on
            greatest(cart_events.event_date, bounds.first_date) = fx_rates.date_day
            and product_versions.currency = fx_rates.currency
),

carts as (
    select
        visitor_key,
        cart_number,
        {% for column in last_event_columns %}
        max(case when last_rank = 1 then {{ column }} end) as {{ column }},
        {% endfor %}
        min(case when event_type = 'add_to_cart' then event_at end) as first_added_at,
        min(case when event_type = 'purchase' then event_at end) as purchased_at,
        max(case when event_type = 'begin_checkout' then 1 else 0 end) = 1 as has_checkout,
        count(distinct added_product_id) as product_count,
        sum(added_quantity) as cart_quantity,
        sum(reporting_value_amount) as reporting_cart_value_amount
    from priced
    group by visitor_key, cart_number
    having count(added_quantity) > 0
),

-- A person may put things into the cart on one device and buy on another: then only the order tells.
orders_by_cart as (
    select
        carts.visitor_key,
        carts.cart_number,
        min(orders.ordered_at) as ordered_at
    from carts
    inner join orders
        on
            carts.identity_key = orders.identity_key
            and carts.first_added_at <= orders.ordered_at
            and carts.event_at + interval '{{ recovery_days }}' day >= orders.ordered_at
    cross join bounds
    where orders.order_date <= bounds.as_of_date
    group by carts.visitor_key, carts.cart_number
),

carts_followed as (
    select
        carts.*,
        bounds.as_of_date,
        least(carts.purchased_at, orders_by_cart.ordered_at) as recovered_at
    from carts
    cross join bounds
    left join orders_by_cart
        on
            carts.visitor_key = orders_by_cart.visitor_key
            and carts.cart_number = orders_by_cart.cart_number
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['visitor_key', 'cart_number']) }} as cart_key,
        session_key,
        visitor_key,
        identity_key,

        -- attributes
        event_date as left_date,
        case
            when recovered_at is not null then 'recovered'
            when event_date > {{ dbt.dateadd('day', -recovery_days, 'as_of_date') }} then 'open'
            else 'abandoned'
        end as status,
        device,
        traffic_source,
        cast(product_count as integer) as product_count,
        cast(cart_quantity as integer) as cart_quantity,

        -- amounts
        {{ money('coalesce(reporting_cart_value_amount, 0)') }} as reporting_cart_value_amount,

        -- flags
        has_checkout,

        -- timestamps
        first_added_at,
        event_at as left_at,
        recovered_at
    from carts_followed
    where
        recovered_at is null
        or recovered_at > session_ended_at + interval '{{ var("session_gap_minutes") }}' minute
)

select * from final
