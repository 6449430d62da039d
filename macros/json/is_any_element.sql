{#- Whether the condition that `caller` makes of an element holds for any element of a JSON array, judged row by row. -#}
{% macro is_any_element(expression) -%}
    {{ return(adapter.dispatch('is_any_element', 'storehouse')(expression, caller('element'))) }}
{%- endmacro %}

{% macro default__is_any_element(expression, condition) -%}
    coalesce(list_bool_or(list_transform(cast({{ expression }} as json[]), lambda element: {{ condition }})), false)
{%- endmacro %}

{% macro postgres__is_any_element(expression, condition) -%}
    exists (
        select 1 from jsonb_array_elements(cast({{ expression }} as jsonb)) as elements (element)
        where {{ condition }}
    )
{%- endmacro %}

{% macro spark__is_any_element(expression, condition) -%}
    exists(from_json({{ expression }}, 'array<string>'), element -> {{ condition }})
{%- endmacro %}
