{#-
    The keys by which this model and a table of the keys that exist disagree: rows deleted for good, and rows that are
    back. Asked only when the table of keys was loaded anew, for it looks at all of them.
-#}
{% macro keys_that_came_or_went(table_name, key_table_name, key) -%}
    {%- set keys = source('shop', key_table_name) -%}
    select come_or_gone.{{ key }}
    from (
        select {{ key }} from {{ this }} where {{ key }} not in (select {{ key }} from {{ keys }})
        union all
        select {{ key }} from {{ source('shop', table_name) }}
        where {{ key }} in (select {{ key }} from {{ keys }}) and {{ key }} not in (select {{ key }} from {{ this }})
    ) as come_or_gone
    where exists (select 1 from {{ keys }} where {{ is_loaded(keys) }})
{%- endmacro %}
