-- A sale without the version of its customer drops out of every report by country or segment as of the sale.
select
    orders.order_id,
    orders.customer_id,
    orders.ordered_at
from {{ ref('fct_orders') }} as orders
inner join {{ ref('dim_customers_history') }} as versions
    on orders.customer_id = versions.customer_id and versions.is_current
where orders.customer_version_key is null
