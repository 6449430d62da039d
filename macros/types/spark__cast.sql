{# The types that contracts and fixtures name are those of DuckDB and Postgres. #}
{% macro spark__cast(field, type) -%}
    cast({{ field }} as {{ engine_type(type) }})
{%- endmacro %}
