{# As `duckdb__snapshot_get_time`: dbt-postgres drops the time zone too. #}
{% macro postgres__snapshot_get_time() -%}
    current_timestamp
{%- endmacro %}
