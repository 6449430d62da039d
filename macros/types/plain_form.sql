{# The regular expression for the texts that `try_cast` accepts for a type. #}
{% macro plain_form(type) -%}
    {%- set date = '[0-9]{4}-[0-9]{2}-[0-9]{2}' -%}
    {%- set time = '[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?' -%}
    {%- set forms = {
        'bigint': '[+-]?[0-9]+',
        'integer': '[+-]?[0-9]+',
        'decimal': '[+-]?[0-9]*[.]?[0-9]+([eE][+-]?[0-9]{1,3})?',
        'date': date,
        'timestamptz': date ~ '(' ~ time ~ ')?',
    } -%}
    {{ return('^' ~ forms[type.split('(')[0]] ~ '$') }}
{%- endmacro %}
