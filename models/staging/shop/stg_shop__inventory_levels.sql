with

-- Levels are deleted for good when a product leaves a location.
existing as (
    select distinct
        product_id,
        location_code
    from {{ source('shop', 'inventory_level_keys') }}
),

judged as (
    select * from {{ ref('base_shop__inventory_levels') }}
),

ranked as (
    select
        judged.*,
        {{ version_rank('judged.product_id, judged.location_code') }} as version_rank
    from judged
    inner join existing
        on
            judged.product_id = existing.product_id
            and judged.location_code = existing.location_code
    where judged.reject_reason is null
),

renamed as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['product_id', 'location_code']) }} as inventory_level_key,
        product_id,
        location_code,

        -- attributes
        on_hand as on_hand_quantity,
        coalesce(committed, 0) as committed_quantity,
        coalesce(incoming, 0) as incoming_quantity,
        coalesce(safety_stock, 0) as safety_stock_quantity,

        -- timestamps
        created_at,
        updated_at,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
