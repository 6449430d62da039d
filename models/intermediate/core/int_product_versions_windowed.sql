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
        -- A snapshot keeps the types of its first day; the contract of the history does not depend on them.
        {{ money('unit_price') }} as unit_price,
        cast(unit_cost as decimal(18, 4)) as unit_cost,
        is_deleted
    from snapshot_rows
)

select * from final
