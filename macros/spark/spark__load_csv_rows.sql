{# dbt-spark inserts texts unescaped, and null as the text 'None'. #}
{% macro spark__load_csv_rows(model, agate_table) %}
    {%- set types = model.config.get('column_types', {}) -%}
    {%- set rows = [] -%}
    {%- for row in agate_table.rows -%}
        {%- set values = [] -%}
        {%- for name in agate_table.column_names -%}
            {%- set type = types.get(name, adapter.convert_type(agate_table, loop.index0)) -%}
            {%- set text = "'" ~ row[name] | string | replace('\\', '\\\\') | replace("'", "\\'") ~ "'" -%}
            {%- do values.append(dbt.cast('null' if row[name] is none else text, type)) -%}
        {%- endfor -%}
        {%- do rows.append('(' ~ values | join(', ') ~ ')') -%}
    {%- endfor -%}
    {%- set statement = 'insert into ' ~ this ~ ' values ' ~ rows | join(', ') -%}
    {%- do run_query(statement) -%}
    {{ return(statement) }}
{% endmacro %}
