{#
    numerator / denominator of two whole numbers, rounded half away from zero to a whole number, exact at any size.
    Plain division turns decimals into floats on DuckDB, and a half cent then falls to either side.
#}
{% macro divide_rounded(numerator, denominator) -%}
    {%- set doubled = '(2 * abs(' ~ numerator ~ ') + abs(' ~ denominator ~ '))' -%}
    {%- set divisor = '(2 * abs(' ~ denominator ~ '))' -%}
    cast(
        sign({{ numerator }}) * sign({{ denominator }})
        * ({{ doubled }} - mod({{ doubled }}, {{ divisor }})) / {{ divisor }}
        as decimal(38, 0)
    )
{%- endmacro %}
