{% macro reporting_currency() -%}
    '{{ var("reporting_currency", "EUR") }}'
{%- endmacro %}
