{%- set recovery_days = var('cart_recovery_days') -%}
{%- set in_visit_order = 'order by event_at, step_number, event_id' -%}

with

events as (
    select * from {{ ref('int_events_sessionised') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

dated as (
    select
        *,
        {{ to_local_date('event_at', reporting_timezone()) }} as event_date
    from events
    where event_type in ('add_to_cart', 'begin_checkout', 'purchase')
),

neighbours_seen as (
    select
        dated.*,
        lag(dated.event_type) over (partition by dated.visitor_key {{ in_visit_order }}) as previous_event_type,
        lag(dated.event_at) over (partition by dated.visitor_key {{ in_visit_order }}) as previous_event_at
    from dated
    cross join bounds
    where dated.event_date <= bounds.as_of_date
),

-- A cart lives on over several visits, until it is bought or left alone for too long.
final as (
    select
        event_id,
        visitor_key,
        session_key,
        case when event_type = 'add_to_cart' then product_id end as added_product_id,
        event_type,
        event_date,
        case when event_type = 'add_to_cart' then coalesce(quantity, 1) end as added_quantity,
        event_at,
        sum(
            case
                when previous_event_at is null or previous_event_type = 'purchase' then 1
                when event_at > previous_event_at + interval '{{ recovery_days }}' day then 1
                else 0
            end
        ) over (
            partition by visitor_key {{ in_visit_order }}
            rows between unbounded preceding and current row
        ) as cart_number
    from neighbours_seen
)

select * from final
