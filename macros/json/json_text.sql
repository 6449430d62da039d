{% macro json_text(expression, path) -%}
    {{ return(adapter.dispatch('json_text', 'storehouse')(expression, path)) }}
{%- endmacro %}

{% macro default__json_text(expression, path) -%}
    json_extract_string({{ expression }}, '$.{{ path }}')
{%- endmacro %}

{% macro postgres__json_text(expression, path) -%}
    cast({{ expression }} as jsonb) #>> '{{ '{' ~ path | replace('.', ',') ~ '}' }}'
{%- endmacro %}

{% macro spark__json_text(expression, path) -%}
    get_json_object({{ expression }}, '$.{{ path }}')
{%- endmacro %}
