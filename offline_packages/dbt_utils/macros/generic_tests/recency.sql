{% test recency(model, field, datepart, interval, ignore_time_component=false, group_by_columns=[]) %}
    {{ return(adapter.dispatch('test_recency', 'dbt_utils')(model, field, datepart, interval, ignore_time_component, group_by_columns)) }}
{% endtest %}

{% macro default__test_recency(model, field, datepart, interval, ignore_time_component, group_by_columns) %}
    {%- set type = 'date' if ignore_time_component else dbt.type_timestamp() %}
    {%- set threshold = 'cast(' ~ dbt.dateadd(datepart, interval * -1, dbt.current_timestamp()) ~ ' as ' ~ type ~ ')' %}
    with recency as (
        select
            {%- for column in group_by_columns %}
            {{ column }},
            {%- endfor %}
            {{ 'cast(max(' ~ field ~ ') as date)' if ignore_time_component else 'max(' ~ field ~ ')' }} as most_recent
        from {{ model }}
        {%- if group_by_columns %}
        group by {{ group_by_columns | join(', ') }}
        {%- endif %}
    )

    select
        *,
        {{ threshold }} as threshold
    from recency
    where most_recent < {{ threshold }}
{% endmacro %}
