{# A post-hook for tables: fresh numbers for the planner, where an engine does not gather them by itself. #}
{% macro gather_statistics() -%}
    {{ return(adapter.dispatch('gather_statistics', 'storehouse')()) }}
{%- endmacro %}

{% macro default__gather_statistics() -%}
    {{ return('') }}
{%- endmacro %}

{% macro postgres__gather_statistics() -%}
    {{ return('analyze ' ~ this if model.config.materialized != 'view' else '') }}
{%- endmacro %}
