{# Whether the shop was open on a day, as far as the variable `closed_days` says. #}
{% macro is_open(date) -%}
    {%- set closed = [] -%}
    {%- for day in var('closed_days') -%}
        {%- do closed.append("cast('" ~ day ~ "' as date)") -%}
    {%- endfor -%}
    {{ date ~ ' not in (' ~ closed | join(', ') ~ ')' if closed else 'true' }}
{%- endmacro %}
