{% test expect_column_values_to_be_within_n_stdevs(model, column_name, group_by=none, sigma_threshold=3) %}
    {{ return(adapter.dispatch('test_expect_column_values_to_be_within_n_stdevs', 'dbt_expectations')(model, column_name, group_by, sigma_threshold)) }}
{% endtest %}

{% macro default__test_expect_column_values_to_be_within_n_stdevs(model, column_name, group_by, sigma_threshold) %}
    with metric_values as (
        select
            {%- for column in group_by or [] %}
            {{ column }},
            {%- endfor %}
            sum({{ column_name }}) as metric_value
        from {{ model }}
        {%- if group_by %}
        group by {{ group_by | join(', ') }}
        {%- endif %}
    ),

    z_scores as (
        select
            *,
            (metric_value - avg(metric_value) over ()) / nullif(stddev(metric_value) over (), 0) as sigma
        from metric_values
    )

    select *
    from z_scores
    where abs(sigma) > {{ sigma_threshold }}
{% endmacro %}
