{# The average over this row and the days before it, null until there are that many. Needs one row for every day. #}
{% macro trailing_average(measure, days) -%}
    {%- set window = '(order by date_day rows between ' ~ (days - 1) ~ ' preceding and current row)' -%}
    case
        when count(*) over {{ window }} = {{ days }}
            then cast(sum({{ measure }}) over {{ window }} * 1.0 / {{ days }} as decimal(18, 4))
    end
{%- endmacro %}
