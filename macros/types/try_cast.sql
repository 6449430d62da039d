{#
    The value of a text, or null where the text is not plainly one: '1.5' is no whole number, '2024-01-01 junk' no date.
    Engines read texts more or less generously (DuckDB rounds '1.5' to 2, Postgres knows 'now'), so the same form is
    asked of all of them first. To look for keys, where too many do no harm, DuckDB's own reading is enough, for a third of
    the cost: `is_strict=false`.
#}
{% macro try_cast(expression, type, is_strict=true) -%}
    {{ return(adapter.dispatch('try_cast', 'storehouse')(expression, type, is_strict)) }}
{%- endmacro %}

{% macro default__try_cast(expression, type, is_strict) -%}
    {%- if is_strict -%}
    case
        when regexp_matches({{ expression }}, '{{ plain_form(type) }}') then try_cast({{ expression }} as {{ type }})
    end
    {%- else -%}
    try_cast({{ expression }} as {{ type }})
    {%- endif -%}
{%- endmacro %}

{# The value is written once: a field of a JSON text would otherwise be looked up three times. #}
{% macro postgres__try_cast(expression, type, is_strict) -%}
    cast((
        select texts.value
        from (select {{ expression }} as value offset 0) as texts
        where texts.value ~ '{{ plain_form(type) }}' and pg_input_is_valid(texts.value, '{{ type }}')
    ) as {{ type }})
{%- endmacro %}

{% macro spark__try_cast(expression, type, is_strict) -%}
    case
        when {{ expression }} rlike '{{ plain_form(type) }}' then try_cast({{ expression }} as {{ engine_type(type) }})
    end
{%- endmacro %}
