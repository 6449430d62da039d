-- One row per version of a product. Join on product_version_key, or on product_id and the window.
with

versions as (
    select * from {{ ref('int_product_versions_windowed') }}
),

final as (
    select
        -- keys
        product_version_key,
        product_id,
        supplier_id,

        -- attributes
        sku,
        product_name,
        category,
        subcategory,
        brand,
        status,
        currency,

        -- amounts
        unit_price,
        unit_cost,

        -- flags
        is_deleted,
        is_current,

        -- timestamps
        valid_from,
        valid_to
    from versions
)

select * from final
