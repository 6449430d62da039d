with

customers as (
    select * from {{ ref('stg_shop__customers') }}
),

final as (
    select
        -- keys
        customer_id,

        -- attributes
        country_code,
        region,

        -- flags
        is_marketing_opt_in,
        is_test,
        is_deleted,

        -- timestamps
        created_at,
        updated_at,
        deleted_at,

        -- load metadata
        load_id
    from customers
)

select * from final
