{% macro iso_week(date) -%}
    cast(extract(week from {{ date }}) as integer)
{%- endmacro %}
