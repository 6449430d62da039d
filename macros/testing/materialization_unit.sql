{#
    dbt names the table by which it learns the columns of a unit test after the test, and refuses names of more than 63
    characters on Postgres. Here it has a short name. Otherwise this is what dbt does everywhere.
#}
{% materialization unit, adapter='postgres' %}
    {%- set rows = config.get('expected_rows') -%}
    {%- set names = rows[0].keys() if rows else get_columns_in_query(sql) -%}
    {%- set sample = make_temp_relation(this.incorporate(path={'identifier': 'unit_test'}, type='table')) -%}
    {%- do run_query(get_create_table_as_sql(True, sample, get_empty_subquery_sql(sql))) -%}
    {%- set types = {} -%}
    {%- set quoted = {} -%}
    {%- for column in adapter.get_columns_in_relation(sample) -%}
        {%- do types.update({column.name | lower: column.data_type}) -%}
        {%- do quoted.update({column.name | lower: column.quoted}) -%}
    {%- endfor -%}
    {%- do adapter.drop_relation(sample) -%}
    {%- set compared = [] -%}
    {%- for name in names -%}
        {%- do compared.append(quoted[name | lower]) -%}
    {%- endfor -%}
    {%- set expected = config.get('expected_sql') or get_expected_sql(rows, types, quoted) -%}
    {%- call statement('main', fetch_result=True) -%}
        {{ get_unit_test_sql(sql, expected, compared) }}
    {%- endcall -%}
    {{ return({'relations': []}) }}
{% endmaterialization %}
