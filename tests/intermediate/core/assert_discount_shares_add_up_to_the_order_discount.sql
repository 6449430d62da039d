-- Shares that do not add up let cents appear or vanish between the order and its lines.
with

shares_by_order as (
    select
        order_items.order_id,
        sum(line_shares.order_discount_share_amount) as shared_amount
    from {{ ref('int_order_discounts_allocated_to_lines') }} as line_shares
    inner join {{ ref('stg_shop__order_items') }} as order_items
        on line_shares.order_item_id = order_items.order_item_id
    group by order_items.order_id
)

select
    orders.order_id,
    orders.currency,
    orders.discount_amount,
    shares_by_order.shared_amount
from {{ ref('stg_shop__orders') }} as orders
left join shares_by_order on orders.order_id = shares_by_order.order_id
where orders.discount_amount <> coalesce(shares_by_order.shared_amount, 0)
