{% macro get_column_values(table, column, order_by='count(*) desc', max_records=none, default=none, where=none) -%}
    {{ return(adapter.dispatch('get_column_values', 'dbt_utils')(table, column, order_by, max_records, default, where)) }}
{%- endmacro %}

{% macro default__get_column_values(table, column, order_by, max_records, default, where) -%}
    {%- set fallback = default if default is not none else [] -%}
    {%- if not execute -%}{{ return(fallback) }}{%- endif -%}
    {%- if load_relation(table) is none and table.identifier -%}
        {%- if default is none -%}
            {{ exceptions.raise_compiler_error("get_column_values: " ~ table ~ " does not exist and no default is given") }}
        {%- endif -%}
        {{ return(fallback) }}
    {%- endif -%}
    {%- set rows = run_query(
        "select " ~ column ~ " as value from " ~ table
        ~ (" where " ~ where if where else "")
        ~ " group by " ~ column
        ~ " order by " ~ order_by
        ~ (" limit " ~ max_records if max_records is not none else "")
    ) -%}
    {{ return(rows.columns[0].values() | list or fallback) }}
{%- endmacro %}
