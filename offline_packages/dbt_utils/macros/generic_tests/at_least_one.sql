{% test at_least_one(model, column_name, group_by_columns=[]) %}
    {{ return(adapter.dispatch('test_at_least_one', 'dbt_utils')(model, column_name, group_by_columns)) }}
{% endtest %}

{% macro default__test_at_least_one(model, column_name, group_by_columns) %}
    select
        {%- for column in group_by_columns %}
        {{ column }},
        {%- endfor %}
        count({{ column_name }}) as filled_values
    from {{ model }}
    {%- if group_by_columns %}
    group by {{ group_by_columns | join(', ') }}
    {%- endif %}
    having count({{ column_name }}) = 0
{% endmacro %}
