{# The change from one amount to another in percent of the first; null when there is nothing to compare with. #}
{% macro change_pct(from_amount, to_amount) -%}
    {{ quotient('100.0 * (' ~ to_amount ~ ' - ' ~ from_amount ~ ')', from_amount) }}
{%- endmacro %}
