with

ranked as (
    select
        *,
        {{ version_rank('product_id') }} as version_rank
    from {{ ref('base_shop__products') }}
    where reject_reason is null
),

renamed as (
    select
        -- keys
        product_id,
        supplier_id,

        -- attributes
        sku,
        product_name,
        category,
        subcategory,
        brand,
        status,
        upper(currency) as currency,

        -- amounts
        {{ money('unit_price') }} as unit_price,
        cast(unit_cost as decimal(18, 4)) as unit_cost,

        -- flags
        deleted_at is not null as is_deleted,

        -- timestamps
        created_at,
        updated_at,
        deleted_at,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
