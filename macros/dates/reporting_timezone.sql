{#- The calendar of everything that belongs to no store: visits to the site and movements of stock. -#}
{% macro reporting_timezone() -%}
    '{{ var("reporting_timezone") }}'
{%- endmacro %}
