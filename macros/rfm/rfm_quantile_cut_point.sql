{#
    The lowest value above a quantile of a column: the quantile, interpolated between the two values next to it, plus one
    unit (a day, an order, one unit of the currency). Equal values fall on the same side, whatever the ties.
    The cast clears away what floating point adds, so that every engine draws the same line.
#}
{% macro rfm_quantile_cut_point(column, fraction) -%}
    cast(percentile_cont({{ fraction }}) within group (order by cast({{ column }} as decimal(28, 6))) as decimal(28, 4)) + 1
{%- endmacro %}
