{#
    The end of a window whose last one has none. A join that says `or valid_to is null` instead compares every row with
    every window: DuckDB and Postgres have no hash for it.
#}
{% macro open_end(valid_to) -%}
    coalesce({{ valid_to }}, cast('{{ time_limits().end_day }} 00:00:00+00' as {{ engine_type('timestamptz') }}))
{%- endmacro %}
