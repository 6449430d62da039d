-- Stock that the movements do not explain makes every balance, days of cover and suggested order wrong by as much.
-- Asked of every shop that ever received movements, though all of them be rejected or gone: one without has none to
-- explain its stock.
with

movements_by_level as (
    select
        product_id,
        location_code,
        sum(quantity_delta) as moved_quantity
    from {{ ref('fct_inventory_movements') }}
    group by product_id, location_code
)

select
    levels.product_id,
    levels.location_code,
    levels.on_hand_quantity,
    movements_by_level.moved_quantity
from {{ ref('stg_shop__inventory_levels') }} as levels
left join movements_by_level
    on
        levels.product_id = movements_by_level.product_id
        and levels.location_code = movements_by_level.location_code
where
    levels.on_hand_quantity <> coalesce(movements_by_level.moved_quantity, 0)
    and (
        exists (
            select 1 from {{ source('files', 'file_manifest') }} as files
            where files.dataset = 'inventory_events'
        )
        or exists (select 1 from {{ source('stream', 'inventory_events') }})
    )
