{% macro timezone_names() -%}
    {{ return(adapter.dispatch('timezone_names', 'storehouse')()) }}
{%- endmacro %}

{% macro default__timezone_names() -%}
    select name from pg_timezone_names()
{%- endmacro %}

{% macro postgres__timezone_names() -%}
    select name from pg_timezone_names
{%- endmacro %}

{# Spark has no list of the names it knows. #}
{% macro spark__timezone_names() -%}
    select explode(array('{{ modules.pytz.all_timezones | join("', '") }}')) as name
{%- endmacro %}
