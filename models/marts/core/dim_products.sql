-- One row per product as it is today. Price and cost at the time of a sale are on fct_order_lines.
with

products as (
    select * from {{ ref('stg_shop__products') }}
),

suppliers as (
    select * from {{ ref('stg_shop__suppliers') }}
),

final as (
    select
        -- keys
        products.product_id,
        products.supplier_id,

        -- attributes
        products.sku,
        products.product_name,
        products.category,
        products.subcategory,
        products.brand,
        products.status,
        suppliers.supplier_name,
        products.currency,

        -- amounts
        products.unit_price,
        products.unit_cost,

        -- flags
        products.is_deleted,

        -- timestamps
        products.created_at,
        products.updated_at
    from products
    left join suppliers on products.supplier_id = suppliers.supplier_id
)

select * from final
