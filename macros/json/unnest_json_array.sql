{% macro unnest_json_array(expression) -%}
    {{ return(adapter.dispatch('unnest_json_array', 'storehouse')(expression)) }}
{%- endmacro %}

{% macro default__unnest_json_array(expression) -%}
    unnest(cast({{ expression }} as json[])) with ordinality as elements (element, line_number)
{%- endmacro %}

{% macro postgres__unnest_json_array(expression) -%}
    jsonb_array_elements(cast({{ expression }} as jsonb)) with ordinality as elements (element, line_number)
{%- endmacro %}

{% macro spark__unnest_json_array(expression) -%}
    lateral (
        select
            positions.line_number + 1 as line_number,
            positions.element
        from posexplode(from_json({{ expression }}, 'array<string>')) as positions (line_number, element)
    ) as elements
{%- endmacro %}
