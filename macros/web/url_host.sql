{#- The host of an address, in lower case and without `www.` before it; null when there is no address. -#}
{% macro url_host(url) -%}
    nullif(
        regexp_replace(
            lower(
                case
                    when {{ url }} like '%://%' then {{ dbt.split_part(url, "'/'", 3) }}
                    else {{ dbt.split_part(url, "'/'", 1) }}
                end
            ),
            '^www[.]', ''
        ),
        ''
    )
{%- endmacro %}
