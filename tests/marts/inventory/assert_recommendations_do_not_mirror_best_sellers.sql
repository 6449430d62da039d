-- Pairs that meet no more often than chance would have it turn every list into the best-seller list.
select
    recommendations.identity_key,
    recommendations.product_id,
    recommendations.because_product_id,
    affinity.lift
from {{ ref('rpt_recommendations') }} as recommendations
left join {{ ref('rpt_product_affinity') }} as affinity
    on
        recommendations.because_product_id = affinity.product_id
        and recommendations.product_id = affinity.related_product_id
where
    recommendations.reason = 'bought_together'
    and (affinity.lift is null or affinity.lift <= 1)
