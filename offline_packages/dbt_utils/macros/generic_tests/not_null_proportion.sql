{% test not_null_proportion(model, column_name, at_least, at_most=1, group_by_columns=[]) %}
    {{ return(adapter.dispatch('test_not_null_proportion', 'dbt_utils')(model, column_name, at_least, at_most, group_by_columns)) }}
{% endtest %}

{% macro default__test_not_null_proportion(model, column_name, at_least, at_most, group_by_columns) %}
    with proportions as (
        select
            {%- for column in group_by_columns %}
            {{ column }},
            {%- endfor %}
            sum(case when {{ column_name }} is null then 0 else 1 end) / cast(count(*) as {{ dbt.type_numeric() }})
                as not_null_proportion
        from {{ model }}
        {%- if group_by_columns %}
        group by {{ group_by_columns | join(', ') }}
        {%- endif %}
    )

    select *
    from proportions
    where not (not_null_proportion between {{ at_least }} and {{ at_most }})
{% endmacro %}
