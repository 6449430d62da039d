{#
    numerator / denominator, rounded once; null when there is nothing to divide by. Spark would round a quotient of large
    decimals to six digits first, and the second rounding then goes wrong now and then.
#}
{% macro quotient(numerator, denominator, digits=4) -%}
    {{ return(adapter.dispatch('quotient', 'storehouse')(numerator, denominator, digits)) }}
{%- endmacro %}

{% macro default__quotient(numerator, denominator, digits) -%}
    cast({{ numerator }} / nullif({{ denominator }}, 0) as decimal(18, {{ digits }}))
{%- endmacro %}

{% macro spark__quotient(numerator, denominator, digits) -%}
    cast(cast({{ numerator }} as double) / nullif({{ denominator }}, 0) as decimal(18, {{ digits }}))
{%- endmacro %}
