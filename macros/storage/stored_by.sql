{#-
    For the end of a model: a full build is written in this order, so that DuckDB finds the rows of a few orders or days
    in a few places. What a day's build adds comes last by itself.
-#}
{% macro stored_by(columns) -%}
    {{ 'order by ' ~ columns if target.type == 'duckdb' and not is_incremental() }}
{%- endmacro %}
