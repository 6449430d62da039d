{#- Whole seconds from one moment to another, the part of a second cut off. -#}
{% macro seconds_between(start_timestamp, end_timestamp) -%}
    {{ return(adapter.dispatch('seconds_between', 'storehouse')(start_timestamp, end_timestamp)) }}
{%- endmacro %}

{% macro default__seconds_between(start_timestamp, end_timestamp) -%}
    cast(floor(extract(epoch from ({{ end_timestamp }} - {{ start_timestamp }}))) as bigint)
{%- endmacro %}

{% macro spark__seconds_between(start_timestamp, end_timestamp) -%}
    cast(floor((unix_micros({{ end_timestamp }}) - unix_micros({{ start_timestamp }})) / 1000000) as bigint)
{%- endmacro %}
