-- A movement that no day holds, or that two hold, is stock lost or made out of nothing.
with

bounds as (
    select * from {{ ref('int_calendar_bounds_derived') }}
),

movements_by_stock as (
    select
        movements.product_id,
        movements.location_code,
        sum(movements.quantity_delta) as moved_quantity
    from {{ ref('fct_inventory_movements') }} as movements
    cross join bounds
    where movements.movement_date <= bounds.as_of_date
    group by movements.product_id, movements.location_code
),

last_days as (
    select inventory_days.*
    from {{ ref('fct_inventory_daily') }} as inventory_days
    inner join bounds on inventory_days.date_day = bounds.as_of_date
)

select
    movements_by_stock.product_id,
    movements_by_stock.location_code,
    movements_by_stock.moved_quantity,
    last_days.closing_quantity
from movements_by_stock
left join last_days
    on
        movements_by_stock.product_id = last_days.product_id
        and movements_by_stock.location_code = last_days.location_code
where last_days.closing_quantity is null or last_days.closing_quantity <> movements_by_stock.moved_quantity
