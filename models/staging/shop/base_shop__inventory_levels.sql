with

source as (
    select * from {{ source('shop', 'inventory_levels') }}
),

judged as (
    select
        *,
        case
            when product_id is null or location_code is null then 'missing_key'
            when on_hand is null then 'invalid_quantity'
        end as reject_reason
    from source
)

select * from judged
