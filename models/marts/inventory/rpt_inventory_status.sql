-- One row per product and location that the shop keeps stock of, at the end of as_of_date. Committed, incoming and
-- safety stock have no history: a report for a day in the past shows those of today.
{%- set dead_days = var('inventory_dead_days') %}
{%- set excess_days = var('inventory_excess_days') %}
{%- set cover_days = var('inventory_order_cover_days') %}

with

levels as (
    select * from {{ ref('stg_shop__inventory_levels') }}
),

velocities as (
    select * from {{ ref('int_inventory_days_summed_to_velocity') }}
),

product_versions as (
    select * from {{ ref('dim_products_history') }}
),

suppliers as (
    select * from {{ ref('stg_shop__suppliers') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates_filled_to_days') }}
),

bounds as (
    select
        as_of_date,
        {{ dbt.dateadd('day', -dead_days, 'as_of_date') }} as dead_since
    from {{ ref('int_calendar_bounds_derived') }}
    where as_of_date is not null
),

-- The product, its price and its cost as they were on that day.
joined as (
    select
        levels.inventory_level_key,
        levels.product_id,
        levels.location_code,
        levels.committed_quantity,
        levels.incoming_quantity,
        levels.safety_stock_quantity,
        bounds.as_of_date,
        bounds.dead_since,
        product_versions.product_name,
        product_versions.category,
        product_versions.supplier_id,
        coalesce(product_versions.status = 'active' and not product_versions.is_deleted, false) as is_active,
        velocities.first_day,
        velocities.last_sale_date,
        velocities.average_daily_quantity,
        coalesce(velocities.stocked_days, 0) as stocked_days,
        coalesce(velocities.stockout_days, 0) as stockout_days,
        coalesce(velocities.backordered_quantity, 0) as backordered_quantity,
        coalesce(velocities.on_hand_quantity, 0) as on_hand_quantity,
        coalesce(velocities.on_hand_quantity, 0) - levels.committed_quantity as available_quantity,
        coalesce(suppliers.lead_time_days, 0) as lead_time_days,
        coalesce(suppliers.min_order_quantity, 1) as min_order_quantity,
        product_versions.unit_price,
        product_versions.unit_cost,
        fx_rates.rate as fx_rate
    from levels
    cross join bounds
    left join velocities
        on
            levels.product_id = velocities.product_id
            and levels.location_code = velocities.location_code
    left join product_versions
        on
            levels.product_id = product_versions.product_id
            and bounds.as_of_date >= {{ to_local_date('product_versions.valid_from', reporting_timezone()) }}
            and bounds.as_of_date
            < {{ to_local_date(open_end('product_versions.valid_to'), reporting_timezone()) }}
    left join suppliers on product_versions.supplier_id = suppliers.supplier_id
    left join fx_rates
        on
            product_versions.currency = fx_rates.currency
            and bounds.as_of_date = fx_rates.date_day
),

planned as (
    select
        *,
        cast(ceil(average_daily_quantity * lead_time_days + safety_stock_quantity) as integer)
            as reorder_point_quantity,
        cast(ceil(average_daily_quantity * (lead_time_days + {{ cover_days }}) + safety_stock_quantity) as integer)
            as order_up_to_quantity,
        case
            when average_daily_quantity is not null
                then greatest(average_daily_quantity * stockout_days - backordered_quantity, 0)
        end as lost_sales_quantity,
        coalesce(last_sale_date, first_day) <= dead_since as is_dead
    from joined
),

final as (
    select
        -- keys
        inventory_level_key,
        product_id,
        location_code,
        supplier_id,

        -- attributes
        as_of_date,
        product_name,
        category,
        case
            when available_quantity <= 0 then 'out'
            when is_dead then 'dead'
            when available_quantity <= reorder_point_quantity then 'low'
            when available_quantity > average_daily_quantity * {{ excess_days }} then 'excess'
            else 'ok'
        end as status,
        cast(lead_time_days as integer) as lead_time_days,
        last_sale_date,

        -- measures
        cast(on_hand_quantity as integer) as on_hand_quantity,
        cast(committed_quantity as integer) as committed_quantity,
        cast(available_quantity as integer) as available_quantity,
        cast(incoming_quantity as integer) as incoming_quantity,
        cast(safety_stock_quantity as integer) as safety_stock_quantity,
        cast(stocked_days as integer) as stocked_days,
        cast(stockout_days as integer) as stockout_days,
        average_daily_quantity,
        case
            when available_quantity <= 0 then 0
            when average_daily_quantity > 0 then {{ quotient('available_quantity', 'average_daily_quantity', 1) }}
        end as days_of_cover,
        reorder_point_quantity,
        cast(
            case
                when
                    is_active
                    and average_daily_quantity > 0
                    and available_quantity + incoming_quantity <= reorder_point_quantity
                    then greatest(order_up_to_quantity - available_quantity - incoming_quantity, min_order_quantity)
                else 0
            end as integer
        ) as suggested_order_quantity,
        cast(lost_sales_quantity as decimal(18, 1)) as lost_sales_quantity,

        -- amounts
        {{ in_reporting_currency('greatest(on_hand_quantity, 0) * unit_cost', 'fx_rate') }}
            as reporting_stock_value_amount,
        {{ in_reporting_currency('lost_sales_quantity * unit_price', 'fx_rate') }} as reporting_lost_sales_amount,

        -- flags
        is_active
    from planned
)

select * from final
