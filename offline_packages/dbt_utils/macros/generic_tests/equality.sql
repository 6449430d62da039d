{% test equality(model, compare_model, compare_columns=none, exclude_columns=none) %}
    {{ return(adapter.dispatch('test_equality', 'dbt_utils')(model, compare_model, compare_columns, exclude_columns)) }}
{% endtest %}

{% macro default__test_equality(model, compare_model, compare_columns, exclude_columns) %}
    {%- if not execute %}{{ return('') }}{% endif %}
    {%- set left_out = (exclude_columns or []) | map('lower') | list %}
    {%- set only = (compare_columns or []) | map('lower') | list %}
    {%- set names = {'model': [], 'compare_model': []} %}
    {%- set columns = [] %}
    {%- for key, relation in [('model', model), ('compare_model', compare_model)] %}
        {%- for column in adapter.get_columns_in_relation(relation) %}
            {%- set name = column.name | lower %}
            {%- if name not in left_out and (not only or name in only) %}
                {%- do names[key].append(name) %}
                {%- if key == 'model' %}
                    {%- do columns.append(column.quoted) %}
                {%- endif %}
            {%- endif %}
        {%- endfor %}
    {%- endfor %}
    {%- if names['model'] | sort != names['compare_model'] | sort %}
        {{ exceptions.raise_compiler_error(
            "equality: " ~ model ~ " and " ~ compare_model ~ " have different columns: "
            ~ names['model'] | sort | join(', ') ~ " / " ~ names['compare_model'] | sort | join(', ')
        ) }}
    {%- endif %}
    with left_rows as (
        select {{ columns | join(', ') }}
        from {{ model }}
    ),

    right_rows as (
        select {{ columns | join(', ') }}
        from {{ compare_model }}
    ),

    left_only as (
        select * from left_rows
        {{ dbt.except() }}
        select * from right_rows
    ),

    right_only as (
        select * from right_rows
        {{ dbt.except() }}
        select * from left_rows
    )

    select 'a_minus_b' as which_diff, left_only.* from left_only
    union all
    select 'b_minus_a' as which_diff, right_only.* from right_only
{% endmacro %}
