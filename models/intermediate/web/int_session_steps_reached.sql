{%- set steps = ['product_view', 'add_to_cart', 'begin_checkout', 'purchase'] -%}

with

{% call touched('session_key') %}
{{ changed('int_events_sessionised', 'session_key') }}
{% endcall %}

events as (
    select
        session_key,
        event_number,
        event_type
    from {{ touched_rows(ref('int_events_sessionised'), 'session_key') }}
),

{#- Strict order: each step counts from the first time the one before it was done. -#}
{% for step in steps %}
{{ step }}_found as (
    select
        *,
        min(
            case
                when
                    event_type = '{{ step }}'
                    {% if not loop.first %}
                    and event_number > first_{{ loop.previtem }}_number
                    {% endif %}
                    then event_number
            end
        ) over (partition by session_key) as first_{{ step }}_number
    from {{ 'events' if loop.first else loop.previtem ~ '_found' }}
),
{% endfor %}
final as (
    select
        session_key,
        -- Loose order: the furthest step of the session, whatever came before it.
        max(
            case event_type
                {% for step in steps %}
                when '{{ step }}' then {{ loop.index + 1 }}
                {% endfor %}
                else 1
            end
        ) as loose_step_number,
        max(
            case
                {% for step in steps | reverse %}
                when first_{{ step }}_number is not null then {{ loop.revindex + 1 }}
                {% endfor %}
                else 1
            end
        ) as strict_step_number
    from purchase_found
    group by session_key
)

select * from final
