{#
    The shop's timestamps carry a time zone; dbt-duckdb's own version of this macro drops it, and dbt then warns that
    the types of a snapshot do not match.
#}
{% macro duckdb__snapshot_get_time() -%}
    current_timestamp
{%- endmacro %}
