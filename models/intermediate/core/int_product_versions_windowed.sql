with

snapshot_rows as (
    select * from {{ ref('snap_products') }}
),

final as (
    select
        {{ version_windows('product_id') }},
        product_id,
        sku,
        product_name,
        category,
        subcategory,
        brand,
        status,
        supplier_id,
        currency,
        unit_price,
        unit_cost,
        is_deleted
    from snapshot_rows
)

select * from final
