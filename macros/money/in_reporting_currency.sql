{% macro in_reporting_currency(amount, fx_rate) -%}
    {{ money('round(cast(' ~ amount ~ ' as decimal(38, 2)) * ' ~ fx_rate ~ ', 2)') }}
{%- endmacro %}
