with

source as (
    select
        *,
        {{ row_place() }} as row_place
    from {{ source('shop', 'order_items') }}
),

orders as (
    select order_id from {{ ref('stg_shop__orders') }}
),

judged as (
    select
        source.order_item_id,
        source.order_id,
        source.product_id,
        source.product_name,
        source.quantity,
        source.unit_price,
        source.unit_cost,
        source.discount_amount,
        source.tax_amount,
        source.is_gift_card,
        source.created_at,
        source.updated_at,
        source._dlt_load_id,
        source.row_place,
        {{ json_object_text([
            'source.order_id', 'source.product_id', 'source.quantity', 'source.unit_price',
            'source.unit_cost', 'source.discount_amount', 'source.tax_amount', 'source.updated_at',
        ]) }} as row_json,
        case
            when source.order_item_id is null then 'missing_key'
            when source.unreadable_values is not null then 'unreadable_value'
            when orders.order_id is null then 'unknown_order'
            when source.quantity is null or source.quantity < 0 then 'invalid_quantity'
            when
                source.unit_price is null
                or source.unit_cost < 0
                or source.discount_amount is null
                or source.tax_amount is null
                then 'invalid_amount'
        end as reject_reason
    from source
    left join orders on source.order_id = orders.order_id
)

select * from judged
