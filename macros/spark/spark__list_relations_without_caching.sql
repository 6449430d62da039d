{#
    dbt-spark describes every table of an Iceberg catalog one by one and overlooks views. Two statements tell enough:
    every table here is an Iceberg table.
#}
{% macro spark__list_relations_without_caching(relation) %}
    {%- set found = [] -%}
    {%- for row in run_query('show tables in ' ~ relation.schema) if not row['isTemporary'] -%}
        {%- do found.append("('" ~ relation.schema ~ "', '" ~ row['tableName'] ~ "', false, 'Provider: iceberg')") -%}
    {%- endfor -%}
    {%- for row in run_query('show views in ' ~ relation.schema) if not row['isTemporary'] -%}
        {%- do found.append("('" ~ relation.schema ~ "', '" ~ row['viewName'] ~ "', false, 'Type: VIEW')") -%}
    {%- endfor -%}
    {{ return(run_query(
        'select * from values ' ~ (found | join(', ') or "('', '', false, '')")
        ~ ' as found (schema_name, name, is_temporary, information)' ~ ('' if found else ' where false')
    )) }}
{% endmacro %}
