{% macro json_object_text(columns) -%}
    {{ return(adapter.dispatch('json_object_text', 'storehouse')(columns)) }}
{%- endmacro %}

{% macro default__json_object_text(columns) -%}
    cast(
        json_object({% for column in columns %}'{{ column.split(".")[-1] }}', {{ column }}{{ ', ' if not loop.last }}{% endfor %})
        as {{ dbt.type_string() }}
    )
{%- endmacro %}

{# Written out, because Postgres puts blanks into what it builds, and the same row must give the same text everywhere. #}
{% macro postgres__json_object_text(columns) -%}
    '{'
    {% for column in columns -%}
    || '{{ "," if not loop.first }}"{{ column.split(".")[-1] }}":' || coalesce(cast(to_json({{ column }}) as text), 'null')
    {% endfor -%}
    || '}'
{%- endmacro %}

{% macro spark__json_object_text(columns) -%}
    to_json(
        named_struct({% for column in columns %}'{{ column.split(".")[-1] }}', {{ column }}{{ ', ' if not loop.last }}{% endfor %}),
        map('ignoreNullFields', 'false')
    )
{%- endmacro %}
