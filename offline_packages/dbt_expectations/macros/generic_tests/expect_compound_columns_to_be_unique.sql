{% test expect_compound_columns_to_be_unique(model, column_list, quote_columns=false, ignore_row_if='all_values_are_missing', row_condition=none) %}
    {{ return(adapter.dispatch('test_expect_compound_columns_to_be_unique', 'dbt_expectations')(model, column_list, quote_columns, ignore_row_if, row_condition)) }}
{% endtest %}

{% macro default__test_expect_compound_columns_to_be_unique(model, column_list, quote_columns, ignore_row_if, row_condition) %}
    {%- set joiners = {'all_values_are_missing': ' or ', 'any_value_is_missing': ' and ', 'never': none} %}
    {%- if ignore_row_if not in joiners %}
        {{ exceptions.raise_compiler_error(
            "expect_compound_columns_to_be_unique: ignore_row_if must be one of " ~ joiners | list | join(', ')
        ) }}
    {%- endif %}
    {%- set columns = [] %}
    {%- for column in column_list %}{% do columns.append(adapter.quote(column) if quote_columns else column) %}{% endfor %}
    select {{ columns | join(', ') }}
    from {{ model }}
    where
        true
        {%- if row_condition %}
        and ({{ row_condition }})
        {%- endif %}
        {%- if joiners[ignore_row_if] %}
        and ({{ columns | join(' is not null' ~ joiners[ignore_row_if]) }} is not null)
        {%- endif %}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endmacro %}
