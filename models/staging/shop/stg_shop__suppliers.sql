with

ranked as (
    select
        *,
        {{ version_rank('supplier_id') }} as version_rank
    from {{ ref('base_shop__suppliers') }}
    where reject_reason is null
),

renamed as (
    select
        -- keys
        supplier_id,

        -- attributes
        name as supplier_name,
        lead_time_days,
        min_order_quantity,

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
