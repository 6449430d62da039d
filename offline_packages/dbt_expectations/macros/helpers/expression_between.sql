{% macro expression_between(
    model, expression, min_value=none, max_value=none, group_by_columns=none, row_condition=none, strictly=false
) -%}
    {%- if min_value is none and max_value is none -%}
        {{ exceptions.raise_compiler_error("dbt_expectations: give min_value, max_value or both") }}
    {%- endif -%}
    {%- set or_equal = '' if strictly else '=' -%}
    {%- set limits = [] -%}
    {%- if min_value is not none %}{% do limits.append(expression ~ ' >' ~ or_equal ~ ' ' ~ min_value) %}{% endif -%}
    {%- if max_value is not none %}{% do limits.append(expression ~ ' <' ~ or_equal ~ ' ' ~ max_value) %}{% endif -%}
    {{ return(dbt_expectations.expression_is_true(
        model, '(' ~ limits | join(' and ') ~ ')', '= true', group_by_columns, row_condition
    )) }}
{%- endmacro %}
