{% macro to_local_hour(timestamp, timezone) -%}
    {{ return(adapter.dispatch('to_local_hour', 'storehouse')(timestamp, timezone)) }}
{%- endmacro %}

{% macro default__to_local_hour(timestamp, timezone) -%}
    cast(extract(hour from {{ timestamp }} at time zone {{ timezone }}) as integer)
{%- endmacro %}

{% macro spark__to_local_hour(timestamp, timezone) -%}
    cast(extract(hour from from_utc_timestamp({{ timestamp }}, {{ timezone }})) as integer)
{%- endmacro %}
