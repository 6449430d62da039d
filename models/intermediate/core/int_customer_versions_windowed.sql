with

-- Every change of a snapshot opens or closes a version.
{% call touched('customer_id') %}
select customer_id from (
    select customer_id, dbt_valid_to from {{ ref('snap_customers') }}
    except
    select customer_id, valid_to from {{ this }}
) as come
union all
select customer_id from (
    select customer_id, valid_to from {{ this }}
    except
    select customer_id, dbt_valid_to from {{ ref('snap_customers') }}
) as gone
{% endcall %}

snapshot_rows as (
    select * from {{ ref('snap_customers') }}
    where {{ is_touched('customer_id') }}
),

final as (
    select
        {{ version_windows('customer_id') }},
        customer_id,
        country_code,
        region,
        is_marketing_opt_in,
        is_test,
        is_deleted
    from snapshot_rows
)

select * from final
