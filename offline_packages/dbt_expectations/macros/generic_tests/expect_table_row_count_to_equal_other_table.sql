{% test expect_table_row_count_to_equal_other_table(
    model, compare_model, group_by=none, compare_group_by=none, factor=1, row_condition=none, compare_row_condition=none
) %}
    {{ return(adapter.dispatch('test_expect_table_row_count_to_equal_other_table', 'dbt_expectations')(
        model, compare_model, group_by, compare_group_by, factor, row_condition, compare_row_condition
    )) }}
{% endtest %}

{% macro default__test_expect_table_row_count_to_equal_other_table(
    model, compare_model, group_by, compare_group_by, factor, row_condition, compare_row_condition
) %}
    {%- set left_keys = group_by or ['1'] %}
    {%- set right_keys = compare_group_by or left_keys %}
    with counted as (
        {%- for relation, keys, count_name, condition in [
            (model, left_keys, 'row_count', row_condition),
            (compare_model, right_keys, 'compare_row_count', compare_row_condition),
        ] %}
        select
            {%- for key in keys %}
            {{ key }} as key_{{ loop.index }},
            {%- endfor %}
            {{ '1' if count_name == 'row_count' else '0' }} as row_count,
            {{ '0' if count_name == 'row_count' else factor }} as compare_row_count
        from {{ relation }}
        {%- if condition %}
        where {{ condition }}
        {%- endif %}
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    )

    select
        {%- for key in left_keys %}
        key_{{ loop.index }},
        {%- endfor %}
        sum(row_count) as row_count,
        sum(compare_row_count) as compare_row_count
    from counted
    group by {% for key in left_keys %}key_{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
    having sum(row_count) <> sum(compare_row_count)
{% endmacro %}
