{% test sequential_values(model, column_name, interval=1, datepart=none, group_by_columns=[]) %}
    {{ return(adapter.dispatch('test_sequential_values', 'dbt_utils')(
        model, column_name, interval, datepart, group_by_columns
    )) }}
{% endtest %}

{% macro default__test_sequential_values(model, column_name, interval, datepart, group_by_columns) %}
    {%- set partition_clause = 'partition by ' ~ group_by_columns | join(', ') if group_by_columns else '' %}
    with ordered as (
        select
            {%- for column in group_by_columns %}
            {{ column }},
            {%- endfor %}
            {{ column_name }} as current_value,
            lag({{ column_name }}) over ({{ partition_clause }} order by {{ column_name }}) as previous_value
        from {{ model }}
    )

    select *
    from ordered
    {%- if datepart %}
    where
        cast(current_value as {{ dbt.type_timestamp() }})
        <> cast({{ dbt.dateadd(datepart, interval, 'previous_value') }} as {{ dbt.type_timestamp() }})
    {%- else %}
    where current_value <> previous_value + {{ interval }}
    {%- endif %}
{% endmacro %}
