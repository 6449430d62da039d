{% macro json_kind(expression) -%}
    {{ return(adapter.dispatch('json_kind', 'storehouse')(expression)) }}
{%- endmacro %}

{% macro default__json_kind(expression) -%}
    case when json_valid({{ expression }}) then lower(json_type({{ expression }})) end
{%- endmacro %}
