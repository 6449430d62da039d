{#
    dbt compares the rows of a unit test as they are printed, and Postgres prints a decimal with as many zeros as it
    was computed with: 50.0000 is not 50. Here trailing zeros are cut off on both sides.
#}
{% macro postgres__get_unit_test_sql(main_sql, expected_fixture_sql, expected_column_names) -%}
    {%- set names = expected_column_names | join(', ') -%}
    {%- set selected = 'select ' ~ names ~ ' from (' ~ main_sql ~ ') as actual' -%}
    {%- set columns = [] -%}
    {%- for column in adapter.get_column_schema_from_query(get_empty_subquery_sql(selected)) -%}
        {%- set name = adapter.quote(column.name) -%}
        {%- do columns.append('trim_scale(' ~ name ~ ') as ' ~ name if column.data_type == 'DECIMAL' else name) -%}
    {%- endfor -%}
    select {{ columns | join(', ') }}, 'actual' as actual_or_expected
    from ({{ main_sql }}) as actual
    union all
    select {{ columns | join(', ') }}, 'expected' as actual_or_expected
    from ({{ expected_fixture_sql }}) as expected
{%- endmacro %}
