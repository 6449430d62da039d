-- One row per sale, visit before it and attribution model. Pick ONE model before adding up: each of the six shares out
-- the whole of the sales. Every web and app sale is here; those without a known visit have the source '(untracked)'.
{%- set models = [
    'first_touch', 'last_touch', 'last_non_direct', 'linear', 'time_decay', 'position_based',
] %}
{%- set scale = 1000000000 %}
{%- set half_life_days = var('attribution_half_life_days') %}

with

-- A visit a week before the sale weighs half as much as one on the day.
touches as (
    select
        *,
        power(0.5, coalesce(seconds_before_sale, 0) / {{ half_life_days * 86400.0 }}) as decay
    from {{ ref('fct_touches') }}
),

models as (
    {% for model in models %}
    select '{{ model }}' as attribution_model
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- How the visits of one sale weigh against each other, in whole numbers: shares of them are exact on every engine.
weighed as (
    select
        touches.*,
        models.attribution_model,
        cast(
            case
                when models.attribution_model = 'linear' then 1
                when models.attribution_model = 'first_touch' and touches.touch_number > 1 then 0
                when models.attribution_model = 'last_touch' and touches.touch_number < touches.touch_count then 0
                when models.attribution_model = 'last_non_direct' and not touches.is_last_non_direct then 0
                when models.attribution_model = 'time_decay' then greatest(round({{ scale }} * touches.decay), 1)
                when models.attribution_model <> 'position_based' then 1
                when touches.touch_number in (1, touches.touch_count) then 0.4 * {{ scale }}
                else round(0.2 * {{ scale }} / (touches.touch_count - 2))
            end
            as decimal(38, 0)
        ) as touch_weight
    from touches
    cross join models
),

accumulated as (
    select
        *,
        sum(touch_weight) over (
            partition by order_id, attribution_model
            order by touch_number
            rows between unbounded preceding and current row
        ) as weight_so_far,
        sum(touch_weight) over (partition by order_id, attribution_model) as total_weight
    from weighed
    where touch_weight > 0
),

-- Shares are cut from a running total that ends at 1, so weights and cents always add up to the whole.
shared_out as (
    select
        *,
        {{ quotient('weight_so_far', 'total_weight', 6) }} as share_so_far,
        {{ quotient('weight_so_far - touch_weight', 'total_weight', 6) }} as share_before
    from accumulated
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['touch_key', 'attribution_model']) }} as attribution_key,
        touch_key,
        order_id,
        session_key,
        identity_key,

        -- attributes
        attribution_model,
        order_date,
        device,
        traffic_source,
        traffic_medium,
        traffic_campaign,
        touch_number,
        touch_count,

        -- measures
        cast(share_so_far - share_before as decimal(9, 6)) as weight,
        {{ money(
            'round(reporting_sale_amount * share_so_far, 2) - round(reporting_sale_amount * share_before, 2)'
        ) }} as reporting_attributed_amount,

        -- flags
        is_tracked,

        -- timestamps
        touched_at,
        ordered_at
    from shared_out
)

select * from final
