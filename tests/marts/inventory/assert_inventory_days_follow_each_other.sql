-- A missing day, or stock that appears overnight, makes averages over days and days without stock wrong.
with

inventory_days as (
    select
        product_id,
        location_code,
        date_day,
        opening_quantity,
        lag(date_day) over (partition by product_id, location_code order by date_day) as previous_day,
        lag(closing_quantity) over (partition by product_id, location_code order by date_day)
            as previous_closing_quantity
    from {{ ref('fct_inventory_daily') }}
)

select *
from inventory_days
where
    previous_closing_quantity <> opening_quantity
    or {{ dbt.dateadd('day', 1, 'previous_day') }} <> date_day
