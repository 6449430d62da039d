{% macro is_plausible_time(timestamp) -%}
    {%- set limits = time_limits() -%}
    {{ timestamp }} >= cast('{{ limits.first_day }} 00:00:00+00' as {{ engine_type('timestamptz') }})
    and {{ timestamp }} < cast('{{ limits.end_day }} 00:00:00+00' as {{ engine_type('timestamptz') }})
{%- endmacro %}
