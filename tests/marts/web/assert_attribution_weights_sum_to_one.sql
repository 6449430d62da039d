-- Weights that do not make up the whole sale give channels more or less credit than there is.
select
    order_id,
    attribution_model,
    sum(weight) as weight
from {{ ref('rpt_attribution') }}
group by order_id, attribution_model
having sum(weight) <> 1
