{#- A moment as text, in UTC, for keys that are made of it: 2025-03-30 01:00:00.5+00. -#}
{% macro text_of_time(timestamp) -%}
    {{ return(adapter.dispatch('text_of_time', 'storehouse')(timestamp)) }}
{%- endmacro %}

{% macro default__text_of_time(timestamp) -%}
    {{ dbt.cast(timestamp, dbt.type_string()) }}
{%- endmacro %}

{% macro spark__text_of_time(timestamp) -%}
    concat(cast({{ timestamp }} as string), '+00')
{%- endmacro %}
