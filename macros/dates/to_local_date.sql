{% macro to_local_date(timestamp, timezone) -%}
    {{ return(adapter.dispatch('to_local_date', 'storehouse')(timestamp, timezone)) }}
{%- endmacro %}

{% macro default__to_local_date(timestamp, timezone) -%}
    cast({{ timestamp }} at time zone {{ timezone }} as date)
{%- endmacro %}

{% macro spark__to_local_date(timestamp, timezone) -%}
    cast(from_utc_timestamp({{ timestamp }}, {{ timezone }}) as date)
{%- endmacro %}
