{# The year that the ISO week belongs to: the year of that week's Thursday. #}
{% macro iso_year(date) -%}
    {{ return(adapter.dispatch('iso_year', 'storehouse')(date)) }}
{%- endmacro %}

{% macro default__iso_year(date) -%}
    cast(extract(isoyear from {{ date }}) as integer)
{%- endmacro %}

{% macro spark__iso_year(date) -%}
    cast(extract(yearofweek from {{ date }}) as integer)
{%- endmacro %}
