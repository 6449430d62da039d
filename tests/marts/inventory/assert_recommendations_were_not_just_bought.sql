-- Offering what somebody has just bought shows that nobody looked.
select
    recommendations.identity_key,
    recommendations.recommendation_rank,
    recommendations.product_id,
    order_lines.order_id,
    order_lines.order_date
from {{ ref('rpt_recommendations') }} as recommendations
inner join {{ ref('fct_order_lines') }} as order_lines
    on
        recommendations.identity_key = order_lines.identity_key
        and recommendations.product_id = order_lines.product_id
inner join {{ ref('int_calendar_bounds_derived') }} as bounds
    on order_lines.order_date <= bounds.as_of_date
where
    order_lines.is_sale
    and order_lines.line_type = 'product'
    and order_lines.order_date
    > {{ dbt.dateadd('day', -var('recommendation_exclude_days'), 'bounds.as_of_date') }}
