with

source as (
    select * from {{ source('shop', 'products') }}
),

judged as (
    select
        product_id,
        sku,
        product_name,
        category,
        subcategory,
        brand,
        unit_price,
        unit_cost,
        currency,
        supplier_id,
        status,
        created_at,
        updated_at,
        deleted_at,
        _dlt_load_id,
        {{ json_object_text([
            'sku', 'product_name', 'status', 'unit_price', 'unit_cost', 'currency', 'updated_at',
        ]) }} as row_json,
        case
            when product_id is null then 'missing_key'
            when unreadable_values is not null then 'unreadable_value'
            when status is null or status not in ('draft', 'active', 'archived') then 'unknown_status'
            when unit_price is null or unit_price < 0 or unit_cost < 0 then 'invalid_amount'
            when currency is null then 'missing_currency'
            when updated_at is null then 'invalid_timestamp'
        end as reject_reason
    from source
)

select * from judged
