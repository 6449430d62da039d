{% macro regexp_instr(source_value, regexp, position=1, occurrence=1, is_raw=false, flags='') -%}
    {{ return(adapter.dispatch('regexp_instr', 'dbt_expectations')(
        source_value, regexp, position, occurrence, is_raw, flags
    )) }}
{%- endmacro %}

{#- Above zero where the value matches, zero where it does not, null for null. -#}
{% macro default__regexp_instr(source_value, regexp, position, occurrence, is_raw, flags) -%}
    regexp_instr({{ source_value }}, '{{ regexp }}', {{ position }}, {{ occurrence }})
{%- endmacro %}

{% macro duckdb__regexp_instr(source_value, regexp, position, occurrence, is_raw, flags) -%}
    cast(regexp_matches({{ source_value }}, '{{ regexp }}', '{{ flags }}') as int)
{%- endmacro %}

{% macro postgres__regexp_instr(source_value, regexp, position, occurrence, is_raw, flags) -%}
    cast({{ source_value }} ~ '{{ "(?" ~ flags ~ ")" if flags }}{{ regexp }}' as int)
{%- endmacro %}

{% macro spark__regexp_instr(source_value, regexp, position, occurrence, is_raw, flags) -%}
    cast({{ source_value }} rlike r'{{ "(?" ~ flags ~ ")" if flags }}{{ regexp }}' as int)
{%- endmacro %}
