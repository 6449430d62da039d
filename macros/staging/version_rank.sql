{% macro version_rank(key) -%}
    row_number() over (
        partition by {{ key }}
        order by updated_at desc nulls last, _dlt_load_id desc nulls last
    )
{%- endmacro %}
