{# The change from one amount to another in percent of the first; null when there is nothing to compare with.
   Against an amount below zero, a gain would come out as a loss. #}
{% macro change_pct(from_amount, to_amount) -%}
    {{ quotient('100.0 * (' ~ to_amount ~ ' - ' ~ from_amount ~ ')', 'greatest(' ~ from_amount ~ ', 0)') }}
{%- endmacro %}
