-- One row per day, device and source. Every column but the keys is a count of sessions: add them up, then divide.
-- Loose: reached the step or a later one, in any order. Strict: did every step up to it, one after the other.
{%- set steps = ['product_view', 'add_to_cart', 'checkout', 'purchase'] %}

with

-- The days whose visits changed, and those that as_of_date has let in or shut out.
{% call touched('session_date') %}
{{ changed('fct_sessions', 'session_date') }}
union all
select session_date from {{ ref('fct_sessions') }}
where session_key in ({{ changed('int_session_steps_reached', 'session_key') }})
union all
select session_date from {{ ref('fct_sessions') }}
where session_date not in (select held.session_date from {{ this }} as held)
union all
select held.session_date from {{ this }} as held
-- Without any order there is no such day.
where coalesce(
    held.session_date > (select bounds.as_of_date from {{ ref('int_calendar_bounds_derived') }} as bounds), true
)
{% endcall %}

sessions as (
    select * from {{ touched_rows(ref('fct_sessions'), 'session_date') }}
),

steps_reached as (
    select * from {{ ref('int_session_steps_reached') }}
),

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(
            ['sessions.session_date', 'sessions.device', 'sessions.traffic_source']
        ) }} as funnel_key,
        sessions.session_date,
        sessions.device,
        sessions.traffic_source,

        -- measures
        {% for order in ['loose', 'strict'] %}
        {% for step in steps %}
        cast(count(case when steps_reached.{{ order }}_step_number > {{ loop.index }} then 1 end) as integer)
            as {{ order }}_{{ step }}_session_count,
        {% endfor %}
        {% endfor %}
        cast(count(*) as integer) as session_count
    from sessions
    inner join steps_reached on sessions.session_key = steps_reached.session_key
    cross join bounds
    where sessions.session_date <= bounds.as_of_date
    group by sessions.session_date, sessions.device, sessions.traffic_source
)

select * from final
