{# A statement, run as the role that loads: what it makes in `raw_ops` must be that role's, for it fills most of it. #}
{% macro as_loader(statement) -%}
    {{ return(adapter.dispatch('as_loader', 'storehouse')(statement)) }}
{%- endmacro %}

{% macro default__as_loader(statement) -%}
    {{ return(statement) }}
{%- endmacro %}

{% macro postgres__as_loader(statement) -%}
    {{ return('set role warehouse_loader; ' ~ statement ~ '; reset role') }}
{%- endmacro %}
