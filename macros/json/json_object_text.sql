{% macro json_object_text(columns) -%}
    {{ return(adapter.dispatch('json_object_text', 'storehouse')(columns)) }}
{%- endmacro %}

{% macro default__json_object_text(columns) -%}
    cast(
        json_object({% for column in columns %}'{{ column.split(".")[-1] }}', {{ column }}{{ ', ' if not loop.last }}{% endfor %})
        as {{ dbt.type_string() }}
    )
{%- endmacro %}

{% macro postgres__json_object_text(columns) -%}
    cast(
        json_build_object({% for column in columns %}'{{ column.split(".")[-1] }}', {{ column }}{{ ', ' if not loop.last }}{% endfor %})
        as {{ dbt.type_string() }}
    )
{%- endmacro %}

{% macro spark__json_object_text(columns) -%}
    to_json(
        named_struct({% for column in columns %}'{{ column.split(".")[-1] }}', {{ column }}{{ ', ' if not loop.last }}{% endfor %}),
        map('ignoreNullFields', 'false')
    )
{%- endmacro %}
