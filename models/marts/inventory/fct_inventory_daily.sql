-- One row per product, location and day, from its first movement on, days without a movement too. Opening and closing
-- units are balances: take one day of them, never add them up over days. The other units may be added up.
with

{% call touched(['product_id', 'date_day']) %}
select products.product_id, days.date_day
from ({{ changed('int_inventory_days_balanced', 'product_id') }}) as products
cross join ({{ changed('int_inventory_days_balanced', 'date_day') }}) as days
{% endcall %}

inventory_days as (
    select * from {{ touched_rows(ref('int_inventory_days_balanced'), ['product_id', 'date_day']) }}
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['product_id', 'location_code', 'date_day']) }} as inventory_day_key,
        product_id,
        location_code,
        date_day,

        -- measures
        opening_quantity,
        received_quantity,
        sold_quantity,
        returned_quantity,
        adjusted_quantity,
        transferred_quantity,
        closing_quantity,

        -- flags
        is_stockout_day
    from inventory_days
)

select * from final
{{ stored_by('date_day') }}
