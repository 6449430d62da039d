-- Offering what is sold out disappoints every reader of the letter.
with

available_products as (
    select product_id
    from {{ ref('rpt_inventory_status') }}
    where is_active
    group by product_id
    having sum(available_quantity) > 0
)

select
    recommendations.identity_key,
    recommendations.recommendation_rank,
    recommendations.product_id
from {{ ref('rpt_recommendations') }} as recommendations
left join available_products on recommendations.product_id = available_products.product_id
where available_products.product_id is null
