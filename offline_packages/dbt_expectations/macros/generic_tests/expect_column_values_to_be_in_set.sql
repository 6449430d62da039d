{% test expect_column_values_to_be_in_set(model, column_name, value_set, quote_values=true, row_condition=none) %}
    {{ return(adapter.dispatch('test_expect_column_values_to_be_in_set', 'dbt_expectations')(model, column_name, value_set, quote_values, row_condition)) }}
{% endtest %}

{% macro default__test_expect_column_values_to_be_in_set(model, column_name, value_set, quote_values, row_condition) %}
    {%- set values = [] %}
    {%- for value in value_set %}
        {%- do values.append("'" ~ dbt.escape_single_quotes(value | string) ~ "'" if quote_values else value | string) %}
    {%- endfor %}
    select {{ column_name }} as value_field
    from {{ model }}
    where
        {{ column_name }} not in ({{ values | join(', ') }})
        {%- if row_condition %}
        and ({{ row_condition }})
        {%- endif %}
{% endmacro %}
