{% test mutually_exclusive_ranges(
    model, lower_bound_column, upper_bound_column, partition_by=none, gaps='allowed', zero_length_range_allowed=false
) %}
    {{ return(adapter.dispatch('test_mutually_exclusive_ranges', 'dbt_utils')(
        model, lower_bound_column, upper_bound_column, partition_by, gaps, zero_length_range_allowed
    )) }}
{% endtest %}

{% macro default__test_mutually_exclusive_ranges(
    model, lower_bound_column, upper_bound_column, partition_by, gaps, zero_length_range_allowed
) %}
    {%- set operators = {'not_allowed': '=', 'allowed': '<=', 'required': '<'} %}
    {%- if gaps not in operators %}
        {{ exceptions.raise_compiler_error(
            "mutually_exclusive_ranges: gaps must be one of " ~ operators | list | join(', ') ~ ", not '" ~ gaps ~ "'"
        ) }}
    {%- endif %}
    {%- set partition_clause = 'partition by ' ~ partition_by if partition_by else '' %}
    with ranges as (
        select
            {%- if partition_by %}
            {{ partition_by }} as partition_by_col,
            {%- endif %}
            {{ lower_bound_column }} as lower_bound,
            {{ upper_bound_column }} as upper_bound,
            lead({{ lower_bound_column }}) over (
                {{ partition_clause }} order by {{ lower_bound_column }}, {{ upper_bound_column }}
            ) as next_lower_bound,
            row_number() over (
                {{ partition_clause }} order by {{ lower_bound_column }} desc, {{ upper_bound_column }} desc
            ) as position_from_end
        from {{ model }}
    )

    -- A comparison with a null bound is an error too, save for the end of the last range.
    select *
    from ranges
    where
        not coalesce(lower_bound {{ '<=' if zero_length_range_allowed else '<' }} upper_bound, false)
        or not coalesce(upper_bound {{ operators[gaps] }} next_lower_bound, position_from_end = 1)
{% endmacro %}
