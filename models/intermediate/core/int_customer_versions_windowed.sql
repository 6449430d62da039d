with

snapshot_rows as (
    select * from {{ ref('snap_customers') }}
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
