{# No shop sells outside these days: timestamps beyond them are mistakes, and the calendar never grows past them. #}
{% macro time_limits() %}
    {{ return({'first_day': '1990-01-01', 'end_day': '2100-01-01'}) }}
{% endmacro %}
