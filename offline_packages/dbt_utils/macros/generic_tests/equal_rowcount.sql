{% test equal_rowcount(model, compare_model, group_by_columns=[]) %}
    {{ return(adapter.dispatch('test_equal_rowcount', 'dbt_utils')(model, compare_model, group_by_columns)) }}
{% endtest %}

{% macro default__test_equal_rowcount(model, compare_model, group_by_columns) %}
    {%- set keys = group_by_columns or ['1'] %}
    with counted as (
        {%- for relation, sign in [(model, 1), (compare_model, -1)] %}
        select
            {%- for key in keys %}
            {{ key }} as key_{{ loop.index }},
            {%- endfor %}
            {{ sign }} as row_sign
        from {{ relation }}
        {%- if not loop.last %}
        union all
        {%- endif %}
        {%- endfor %}
    )

    select
        {%- for key in keys %}
        key_{{ loop.index }},
        {%- endfor %}
        sum(row_sign) as row_difference
    from counted
    group by {% for key in keys %}key_{{ loop.index }}{{ ', ' if not loop.last }}{% endfor %}
    having sum(row_sign) <> 0
{% endmacro %}
