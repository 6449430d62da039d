with

ranked as (
    select
        *,
        {{ version_rank('store_id') }} as version_rank
    from {{ ref('base_shop__stores') }}
    where reject_reason is null
),

renamed as (
    select
        -- keys
        store_id,

        -- attributes
        name as store_name,
        country_code,
        timezone,
        upper(currency) as currency,

        -- flags
        prices_include_tax,
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
