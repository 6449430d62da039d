{# The engine's own name of a type. #}
{% macro engine_type(type) -%}
    {{ return(adapter.dispatch('engine_type', 'storehouse')(type)) }}
{%- endmacro %}

{% macro default__engine_type(type) -%}
    {{ return(type) }}
{%- endmacro %}

{# Spark's timestamp is a moment, as `timestamptz` is elsewhere. #}
{% macro spark__engine_type(type) -%}
    {{ return({'timestamptz': 'timestamp', 'varchar': 'string', 'text': 'string', 'double precision': 'double'}.get(type, type)) }}
{%- endmacro %}
