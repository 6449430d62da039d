-- One row per product, location and day, from its first movement on, days without a movement too. Opening and closing
-- units are balances: take one day of them, never add them up over days. The other units may be added up.
with

{% call touched(['product_id', 'date_day']) %}
select products.product_id, days.date_day
from ({{ changed('int_inventory_days_balanced', 'product_id') }}) as products
cross join ({{ changed('int_inventory_days_balanced', 'date_day') }}) as days
{% endcall %}

inventory_days as (
    select * from {{ ref('int_inventory_days_balanced') }}
    where {{ is_touched(['product_id', 'date_day']) }}
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['product_id', 'location_code', 'date_day']) }} as inventory_day_key,
        product_id,
        location_code,
        date_day,

        -- measures
        cast(opening_quantity as integer) as opening_quantity,
        cast(received_quantity as integer) as received_quantity,
        cast(sold_quantity as integer) as sold_quantity,
        cast(returned_quantity as integer) as returned_quantity,
        cast(adjusted_quantity as integer) as adjusted_quantity,
        cast(transferred_quantity as integer) as transferred_quantity,
        cast(closing_quantity as integer) as closing_quantity,

        -- flags
        is_stockout_day
    from inventory_days
)

select * from final
