{#- The identity_key of a registered customer; null when there is none. -#}
{% macro customer_identity_key(customer_id) -%}
    case
        when {{ customer_id }} is not null
            then {{ dbt_utils.generate_surrogate_key(["'customer'", customer_id]) }}
    end
{%- endmacro %}
