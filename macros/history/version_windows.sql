{#
    Columns that read a dbt snapshot as windows. The first version reaches back to the beginning: nobody recorded what
    was true before, and every sale must find a version.
#}
{% macro version_windows(key) -%}
    {{ dbt_utils.generate_surrogate_key([key, text_of_time('dbt_valid_from')]) }} as {{ key | replace('_id', '') }}_version_key,
    case
        when row_number() over (partition by {{ key }} order by dbt_valid_from) = 1
            then cast('{{ time_limits().first_day }} 00:00:00+00' as {{ engine_type('timestamptz') }})
        else dbt_valid_from
    end as valid_from,
    dbt_valid_to as valid_to,
    dbt_valid_to is null as is_current
{%- endmacro %}
