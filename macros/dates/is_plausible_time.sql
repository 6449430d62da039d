{% macro is_plausible_time(timestamp) -%}
    {{ timestamp }} >= cast('1990-01-01 00:00:00+00' as timestamptz)
    and {{ timestamp }} < cast('2100-01-01 00:00:00+00' as timestamptz)
{%- endmacro %}
