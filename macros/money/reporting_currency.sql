{% macro reporting_currency() -%}
    '{{ var("reporting_currency") }}'
{%- endmacro %}
