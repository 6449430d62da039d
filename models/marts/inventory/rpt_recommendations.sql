-- One row per identity and rank: what to show or write to a person next. Ask is_marketing_opt_in of dim_customers
-- before writing. Everything here can be sold now and was not bought lately by that person.
{%- set per_identity = var('recommendations_per_identity') %}
{%- set exclude_days = var('recommendation_exclude_days') %}
{%- set related_per_product = 20 %}
{%- set best_seller_days = var('best_seller_days') %}

with

order_lines as (
    select * from {{ ref('fct_order_lines') }}
),

affinity as (
    select * from {{ ref('rpt_product_affinity') }}
),

inventory as (
    select * from {{ ref('rpt_inventory_status') }}
),

customers as (
    select * from {{ ref('dim_customers') }}
),

bounds as (
    select
        as_of_date,
        {{ dbt.dateadd('day', -exclude_days, 'as_of_date') }} as excluded_until,
        {{ dbt.dateadd('day', -best_seller_days, 'as_of_date') }} as best_sellers_until
    from {{ ref('int_calendar_bounds_derived') }}
),

sellable_products as (
    select product_id
    from inventory
    where is_active
    group by product_id
    having sum(available_quantity) > 0
),

product_sales as (
    select
        order_lines.order_id,
        order_lines.identity_key,
        order_lines.product_id,
        order_lines.order_date > bounds.excluded_until as is_recent,
        order_lines.order_date > bounds.best_sellers_until as is_best_seller_sale
    from order_lines
    cross join bounds
    where
        order_lines.is_sale
        and order_lines.line_type = 'product'
        and order_lines.product_id is not null
        and order_lines.order_date <= bounds.as_of_date
),

products_bought as (
    select
        identity_key,
        product_id,
        max(case when is_recent then 1 else 0 end) = 1 as is_recent
    from product_sales
    group by identity_key, product_id
),

-- Ranked by how much likelier a purchase makes the other one: plain confidence would bring back the best-sellers for
-- everyone, plain lift the oddest pair.
related_products as (
    select
        affinity.product_id,
        affinity.related_product_id,
        affinity.added_confidence,
        row_number() over (
            partition by affinity.product_id
            order by affinity.added_confidence desc, affinity.related_product_id asc
        ) as related_rank
    from affinity
    inner join sellable_products on affinity.related_product_id = sellable_products.product_id
    where affinity.lift >= {{ var('recommendation_min_lift') }}
),

best_sellers as (
    select
        product_sales.product_id,
        row_number() over (
            order by count(distinct product_sales.order_id) desc, product_sales.product_id asc
        ) as place
    from product_sales
    inner join sellable_products on product_sales.product_id = sellable_products.product_id
    where product_sales.is_best_seller_sale
    group by product_sales.product_id
),

identities as (
    select
        products_bought.identity_key,
        count(case when products_bought.is_recent then 1 end) as recent_count
    from products_bought
    inner join customers on products_bought.identity_key = customers.identity_key
    where not customers.is_deleted
    group by products_bought.identity_key
),

-- So many best-sellers that the list fills up even if the person has just bought, or is already shown, the first ones.
candidates as (
    select
        identities.identity_key,
        related_products.related_product_id as product_id,
        related_products.product_id as because_product_id,
        'bought_together' as reason,
        related_products.added_confidence,
        0 as place
    from identities
    inner join products_bought on identities.identity_key = products_bought.identity_key
    inner join related_products on products_bought.product_id = related_products.product_id
    where related_products.related_rank <= {{ related_per_product }}
    union all
    select
        identities.identity_key,
        best_sellers.product_id,
        null as because_product_id,
        'best_seller' as reason,
        null as added_confidence,
        best_sellers.place
    from identities
    inner join best_sellers on best_sellers.place <= identities.recent_count + {{ 2 * per_identity }}
),

-- The same product may go with several that a person bought: the strongest tie is the reason given.
reasons_ranked as (
    select
        candidates.*,
        row_number() over (
            partition by candidates.identity_key, candidates.product_id
            order by
                candidates.place asc, candidates.added_confidence desc nulls last, candidates.because_product_id asc
        ) as reason_rank
    from candidates
    left join products_bought
        on
            candidates.identity_key = products_bought.identity_key
            and candidates.product_id = products_bought.product_id
    where not coalesce(products_bought.is_recent, false)
),

ranked as (
    select
        *,
        row_number() over (
            partition by identity_key
            order by place asc, added_confidence desc nulls last, product_id asc
        ) as recommendation_rank
    from reasons_ranked
    where reason_rank = 1
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['identity_key', 'recommendation_rank']) }} as recommendation_key,
        identity_key,
        cast(recommendation_rank as integer) as recommendation_rank,
        product_id,
        because_product_id,

        -- attributes
        reason,

        -- measures
        added_confidence
    from ranked
    where recommendation_rank <= {{ per_identity }}
)

select * from final
