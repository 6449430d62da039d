{% macro expression_is_true(model, expression, test_condition='= true', group_by_columns=none, row_condition=none) -%}
    {{ return(adapter.dispatch('expression_is_true', 'dbt_expectations')(
        model, expression, test_condition, group_by_columns, row_condition
    )) }}
{%- endmacro %}

{#- Rows, or groups, for which the expression is false. Null is no failure. -#}
{% macro default__expression_is_true(model, expression, test_condition, group_by_columns, row_condition) %}
    with grouped_expression as (
        select
            {%- for column in group_by_columns or [] %}
            {{ column }} as col_{{ loop.index }},
            {%- endfor %}
            {{ expression }} as expression
        from {{ model }}
        {%- if row_condition %}
        where {{ row_condition }}
        {%- endif %}
        {%- if group_by_columns %}
        group by {{ group_by_columns | join(', ') }}
        {%- endif %}
    )

    select *
    from grouped_expression
    where not (expression {{ test_condition }})
{% endmacro %}
