{#- A price in another currency, to four digits, rounded exactly; the rates are those of both to the reporting currency. -#}
{% macro in_currency(price, from_rate, to_rate) -%}
    cast(
        {{ divide_rounded(
            without_point(price, 4) ~ ' * ' ~ without_point(from_rate, 8),
            without_point(to_rate, 8),
        ) }} / 10000
        as decimal(18, 4)
    )
{%- endmacro %}
