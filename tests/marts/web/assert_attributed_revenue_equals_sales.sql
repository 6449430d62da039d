-- A model that shares out more or less than was sold makes the channels' revenue contradict the shop's.
{%- set channels = var('web_order_channels') %}

with

models as (
    select distinct attribution_model
    from {{ ref('rpt_attribution') }}
),

sales as (
    select
        orders.order_id,
        orders.reporting_net_sales_amount
    from {{ ref('fct_orders') }} as orders
    inner join {{ ref('int_calendar_bounds_derived') }} as bounds
        on orders.order_date <= bounds.as_of_date
    where
        orders.is_sale
        and orders.channel in (
            '{{ channels | join("', '") }}'
        )
),

attributed as (
    select
        order_id,
        attribution_model,
        sum(reporting_attributed_amount) as attributed_amount
    from {{ ref('rpt_attribution') }}
    group by order_id, attribution_model
)

select
    models.attribution_model,
    sales.order_id,
    sales.reporting_net_sales_amount,
    attributed.attributed_amount
from sales
cross join models
left join attributed
    on
        sales.order_id = attributed.order_id
        and models.attribution_model = attributed.attribution_model
where
    attributed.attributed_amount is null
    or attributed.attributed_amount <> sales.reporting_net_sales_amount
