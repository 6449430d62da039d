with

stores as (
    select * from {{ ref('stg_shop__stores') }}
),

final as (
    select
        -- keys
        store_id,

        -- attributes
        store_name,
        country_code,
        timezone,
        currency,

        -- flags
        prices_include_tax,
        is_deleted,

        -- timestamps
        created_at,
        updated_at
    from stores
)

select * from final
