{#
    Creates the tables of `raw_ops` that do not exist yet, as models/staging/ops/_ops__sources.yml describes them. They
    fill up later than the first build reads them.
#}
{% macro create_raw_ops() %}
    {%- for source in graph.sources.values() if source.schema == "raw_ops" -%}
        {%- set relation = api.Relation.create(source.database, source.schema, source.identifier) -%}
        {%- if loop.first -%}
            {%- do run_query(as_loader("create schema if not exists " ~ relation.schema)) -%}
        {%- endif -%}
        {%- set columns = [] -%}
        {%- for column in source.columns.values() -%}
            {%- do columns.append(column.name ~ " " ~ engine_type(column.data_type)) -%}
        {%- endfor -%}
        {%- do run_query(
            as_loader("create table if not exists " ~ relation ~ " (" ~ columns | join(", ") ~ ")")
        ) -%}
    {%- endfor -%}
{% endmacro %}
