{#
    numerator / denominator of decimals with up to six digits after the point, rounded half away from zero, exactly; null
    when there is nothing to divide by. Engines divide decimals each in their own way (DuckDB as floats, Spark to a few
    digits), and a half then falls to either side.
#}
{% macro quotient(numerator, denominator, digits=4) -%}
    {%- set whole_numerator = without_point(numerator, 6) ~ ' * ' ~ 10 ** digits -%}
    {%- set whole_denominator = 'nullif(' ~ without_point(denominator, 6) ~ ', 0)' -%}
    cast({{ divide_rounded(whole_numerator, whole_denominator) }} / {{ 10 ** digits }} as decimal(18, {{ digits }}))
{%- endmacro %}

{#- A decimal as a whole number of its last digits: 1.25 with four digits is 12500. -#}
{% macro without_point(expression, digits) -%}
    cast(cast({{ expression }} as decimal(38, {{ digits }})) * {{ 10 ** digits }} as decimal(38, 0))
{%- endmacro %}
