with

source as (
    select
        *,
        {{ row_place() }} as row_place
    from {{ source('shop', 'order_items') }}
),

judged as (
    select
        order_item_id,
        order_id,
        product_id,
        product_name,
        quantity,
        unit_price,
        unit_cost,
        discount_amount,
        tax_amount,
        is_gift_card,
        created_at,
        updated_at,
        _dlt_load_id,
        row_place,
        {{ json_object_text([
            'order_id', 'product_id', 'quantity', 'unit_price',
            'unit_cost', 'discount_amount', 'tax_amount', 'updated_at',
        ]) }} as row_json,
        case
            when order_item_id is null then 'missing_key'
            when unreadable_values is not null then 'unreadable_value'
            when quantity is null or quantity < 0 then 'invalid_quantity'
            when
                unit_price is null
                or unit_cost < 0
                or discount_amount is null
                or tax_amount is null
                then 'invalid_amount'
        end as reject_reason
    from source
)

select * from judged
