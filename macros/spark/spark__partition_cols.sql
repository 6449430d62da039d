{# Partitions as `meta.lake_partition` says: dbt-duckdb warns of the `partition_by` that dbt-spark would read. #}
{% macro spark__partition_cols(label, required=false) %}
    {%- set partition = config.get('meta', {}).get('lake_partition') -%}
    {{ label ~ ' (' ~ partition ~ ')' if partition }}
{% endmacro %}
