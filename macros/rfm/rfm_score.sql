{#
    The score of one metric, 1 (worst) to 5 (best). By cut points: one more for every cut point passed. By ntile: five
    groups of equal size, in which equal values may be torn apart; ties go by identity_key so that they go the same way
    every time.
#}
{% macro rfm_score(column, cut_point_prefix, lower_is_better=false) -%}
    {%- if rfm_scoring_method() == 'ntile' -%}
        ntile(5) over (
            partition by measured.as_of_date
            order by measured.{{ column }} {{ 'desc' if lower_is_better else 'asc' }}, measured.identity_key
        )
    {%- else -%}
        1
        {%- for score in range(2, 6) %}
            + case
                when measured.{{ column }} {{ '<' if lower_is_better else '>=' }} cut_points.{{ cut_point_prefix }}_{{ score }} then 1
                else 0
            end
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}
