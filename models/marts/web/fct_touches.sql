-- One row per web or app sale and visit of the buyer in the 30 days before it; one row without a visit where none is
-- known. A visit may lead to several sales: count sales by distinct order_id.
{%- set channels = var('web_order_channels') %}
{%- set lookback_days = var('attribution_lookback_days') %}

with

-- A visit leads to later sales only; two days more, for its day and that of the sale are of different time zones.
{% call touched('order_id') %}
{{ changed('fct_orders', 'order_id') }}
union all
select order_id from {{ ref('fct_orders') }}
where
    identity_key in ({{ changed('fct_sessions', 'identity_key') }})
    and order_date >= (
        select cast({{ dbt.dateadd('day', -2, 'min(visits.session_date)') }} as date)
        from ({{ changed('fct_sessions', 'session_date') }}) as visits
    )
{% endcall %}

orders as (
    select * from {{ touched_rows(ref('fct_orders'), 'order_id') }}
),

-- A buyer's visits lie anywhere: to look for their places first would cost more than it saves.
sessions as (
    select * from {{ ref('fct_sessions') }}
    where {{ is_touched('identity_key', 'orders') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

sales as (
    select
        orders.order_id,
        orders.identity_key,
        orders.order_date,
        orders.ordered_at,
        orders.reporting_net_sales_amount
    from orders
    cross join bounds
    where
        orders.is_sale
        and orders.channel in (
            '{{ channels | join("', '") }}'
        )
        and orders.order_date <= bounds.as_of_date
),

numbered as (
    select
        sales.*,
        sessions.session_key,
        coalesce(sessions.device, '(untracked)') as device,
        coalesce(sessions.traffic_source, '(untracked)') as traffic_source,
        coalesce(sessions.traffic_medium, '(untracked)') as traffic_medium,
        sessions.traffic_campaign,
        coalesce(sessions.is_direct, false) as is_direct,
        sessions.started_at as touched_at,
        row_number() over (
            partition by sales.order_id
            order by sessions.started_at, sessions.session_key
        ) as touch_number,
        count(*) over (partition by sales.order_id) as touch_count
    from sales
    left join sessions
        on
            sales.identity_key = sessions.identity_key
            and sales.ordered_at >= sessions.started_at
            and sales.ordered_at < sessions.started_at + interval '{{ lookback_days }}' day
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['order_id', 'session_key']) }} as touch_key,
        order_id,
        session_key,
        identity_key,

        -- attributes
        order_date,
        device,
        traffic_source,
        traffic_medium,
        traffic_campaign,
        cast(touch_number as integer) as touch_number,
        cast(touch_count as integer) as touch_count,
        cast({{ seconds_between('touched_at', 'ordered_at') }} as integer) as seconds_before_sale,

        -- amounts
        reporting_net_sales_amount as reporting_sale_amount,

        -- flags
        session_key is not null as is_tracked,
        is_direct,
        -- The last visit that came from somewhere; the very last one where none did.
        touch_number = coalesce(
            max(case when not is_direct then touch_number end) over (partition by order_id),
            touch_count
        ) as is_last_non_direct,

        -- timestamps
        touched_at,
        ordered_at
    from numbered
)

select * from final
{{ stored_by('order_id') }}
