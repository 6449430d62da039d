{% macro json_kind(expression) -%}
    {{ return(adapter.dispatch('json_kind', 'storehouse')(expression)) }}
{%- endmacro %}

{% macro default__json_kind(expression) -%}
    case when json_valid({{ expression }}) then lower(json_type({{ expression }})) end
{%- endmacro %}

{# `jsonb` refuses what Postgres cannot hold as text, such as the character U+0000. #}
{% macro postgres__json_kind(expression) -%}
    case when pg_input_is_valid({{ expression }}, 'jsonb') then jsonb_typeof(cast({{ expression }} as jsonb)) end
{%- endmacro %}

{% macro spark__json_kind(expression) -%}
    case
        when try_parse_json({{ expression }}) is not null
            then lower(regexp_extract(schema_of_variant(try_parse_json({{ expression }})), '^[A-Za-z]+', 0))
    end
{%- endmacro %}
