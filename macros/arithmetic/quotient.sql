{#
    numerator / denominator of decimals with up to six digits after the point, rounded half away from zero, exactly; null
    when there is nothing to divide by. Engines divide decimals each in their own way (DuckDB as floats, Spark to a few
    digits), and a half then falls to either side.
#}
{% macro quotient(numerator, denominator, digits=4) -%}
    {%- set whole_numerator = _in_millionths(numerator) ~ ' * ' ~ 10 ** digits -%}
    {%- set whole_denominator = 'nullif(' ~ _in_millionths(denominator) ~ ', 0)' -%}
    cast({{ divide_rounded(whole_numerator, whole_denominator) }} / {{ 10 ** digits }} as decimal(18, {{ digits }}))
{%- endmacro %}

{% macro _in_millionths(expression) -%}
    cast(cast({{ expression }} as decimal(38, 6)) * 1000000 as decimal(38, 0))
{%- endmacro %}
