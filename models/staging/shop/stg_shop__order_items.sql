with

{% call touched('order_item_id') %}
{{ loaded('shop', 'order_items', 'order_item_id') }}
union all
select order_item_id from {{ source('shop', 'order_items') }}
where order_id in ({{ changed('stg_shop__orders', 'order_id') }})
union all
{{ keys_that_came_or_went('order_items', 'order_item_keys', 'order_item_id') }}
{% endcall %}

-- Order edits delete lines for good: a line that is missing among the keys no longer exists in the shop.
existing as (
    select order_item_id from {{ source('shop', 'order_item_keys') }}
    where {{ is_touched('order_item_id') }}
),

order_items as (
    select * from {{ ref('base_shop__order_items') }}
    where
        reject_reason is null
        and {{ is_touched_in_raw('shop', 'order_items', 'order_item_id') }}
        and order_item_id in (select existing.order_item_id from existing)
),

-- Without its order a line is set aside until that comes.
orders as (
    select order_id from {{ touched_rows(ref('stg_shop__orders'), 'order_id', 'order_items') }}
),

ranked as (
    select
        order_items.*,
        {{ version_rank('order_item_id') }} as version_rank
    from order_items
    inner join orders on order_items.order_id = orders.order_id
),

renamed as (
    select
        -- keys
        order_item_id,
        order_id,
        product_id,

        -- attributes
        product_name,
        case
            when is_gift_card then 'gift_card'
            when product_id is null then 'charge'
            else 'product'
        end as line_type,
        cast(quantity as bigint) as quantity,

        -- amounts
        {{ money('unit_price') }} as unit_price,
        cast(unit_cost as decimal(18, 4)) as unit_cost,
        {{ money('discount_amount') }} as discount_amount,
        {{ money('tax_amount') }} as tax_amount,

        -- timestamps
        created_at,
        updated_at,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
{{ stored_by('order_id') }}
