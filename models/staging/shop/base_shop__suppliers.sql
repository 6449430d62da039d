with

source as (
    select * from {{ source('shop', 'suppliers') }}
),

judged as (
    select
        supplier_id,
        name,
        lead_time_days,
        min_order_quantity,
        created_at,
        updated_at,
        deleted_at,
        _dlt_load_id,
        {{ json_object_text(['name', 'lead_time_days', 'min_order_quantity', 'updated_at']) }} as row_json,
        case
            when supplier_id is null then 'missing_key'
            when lead_time_days < 0 or min_order_quantity < 0 then 'invalid_quantity'
        end as reject_reason
    from source
)

select * from judged
