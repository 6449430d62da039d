{# How many minor units make one unit of a currency: 100 cents to the euro, 1 to the yen. #}
{% macro minor_units(currency) -%}
    {%- set without_minor_units = [
        'BIF', 'CLP', 'DJF', 'GNF', 'ISK', 'JPY', 'KMF', 'KRW', 'PYG', 'RWF', 'UGX', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'
    ] -%}
    case when {{ currency }} in ('{{ without_minor_units | join("', '") }}') then 1 else 100 end
{%- endmacro %}
