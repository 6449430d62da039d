{% test unique_combination_of_columns(model, combination_of_columns, quote_columns=false) %}
    {{ return(adapter.dispatch('test_unique_combination_of_columns', 'dbt_utils')(
        model, combination_of_columns, quote_columns
    )) }}
{% endtest %}

{% macro default__test_unique_combination_of_columns(model, combination_of_columns, quote_columns) %}
    {%- set columns = combination_of_columns | map('string') | list %}
    {%- if quote_columns %}
    {%- set columns = columns | map('replace', '"', '') | map('trim') | list %}
    {%- set quoted = [] %}
    {%- for column in columns %}{% do quoted.append(adapter.quote(column)) %}{% endfor %}
    {%- set columns = quoted %}
    {%- endif %}
    select {{ columns | join(', ') }}
    from {{ model }}
    group by {{ columns | join(', ') }}
    having count(*) > 1
{% endmacro %}
