-- One row per version of a supplier. Join on supplier_id and the window.
with

snapshot_rows as (
    select * from {{ ref('snap_suppliers') }}
),

versions as (
    select
        {{ version_windows('supplier_id') }},
        supplier_id,
        supplier_name,
        cast(lead_time_days as integer) as lead_time_days,
        cast(min_order_quantity as integer) as min_order_quantity,
        is_deleted
    from snapshot_rows
),

final as (
    select
        -- keys
        supplier_version_key,
        supplier_id,

        -- attributes
        supplier_name,
        lead_time_days,
        min_order_quantity,

        -- flags
        is_deleted,
        is_current,

        -- timestamps
        valid_from,
        valid_to
    from versions
)

select * from final
