{#- numerator / denominator of two whole numbers as a decimal, rounded exactly: the same on every engine. -#}
{% macro exact_ratio(numerator, denominator, digits) -%}
    {%- set scale = 10 ** digits -%}
    cast(
        {{ divide_rounded('cast(' ~ numerator ~ ' as decimal(38, 0)) * ' ~ scale, denominator) }} / {{ scale }}
        as decimal(18, {{ digits }})
    )
{%- endmacro %}
