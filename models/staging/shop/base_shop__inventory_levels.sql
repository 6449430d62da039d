with

source as (
    select * from {{ source('shop', 'inventory_levels') }}
),

judged as (
    select
        product_id,
        location_code,
        on_hand,
        committed,
        incoming,
        safety_stock,
        created_at,
        updated_at,
        _dlt_load_id,
        {{ json_object_text(['on_hand', 'committed', 'incoming', 'safety_stock', 'updated_at']) }} as row_json,
        case
            when product_id is null or location_code is null then 'missing_key'
            when on_hand is null then 'invalid_quantity'
        end as reject_reason
    from source
)

select * from judged
