with

{% call touched('order_id') %}
{{ changed('stg_shop__order_items', 'order_id') }}
union all
{{ changed('int_orders_qualified_as_sales', 'order_id') }}
union all
select order_id from {{ ref('stg_shop__order_items') }}
where product_id in ({{ changed('int_product_versions_windowed', 'product_id') }})
union all
select order_id from {{ ref('int_orders_qualified_as_sales') }}
where order_date in ({{ changed('int_fx_rates_filled_to_days', 'date_day') }})
{% endcall %}

lines as (
    select * from {{ touched_rows(ref('stg_shop__order_items'), 'order_id') }}
),

orders as (
    select * from {{ touched_rows(ref('int_orders_qualified_as_sales'), 'order_id') }}
),

product_versions as (
    select * from {{ ref('int_product_versions_windowed') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates_filled_to_days') }}
),

joined as (
    select
        lines.order_item_id,
        lines.order_id,
        lines.line_type,
        lines.quantity,
        lines.unit_cost as unit_cost_as_sold,
        product_versions.product_version_key,
        {{ minor_units('orders.currency') }} as minor_units,
        case
            when product_versions.currency = orders.currency then product_versions.unit_cost
            else {{ in_currency('product_versions.unit_cost', 'fx_rates.rate', 'orders.fx_rate') }}
        end as unit_cost_of_version
    from lines
    inner join orders on lines.order_id = orders.order_id
    left join product_versions
        on
            lines.product_id = product_versions.product_id
            and orders.ordered_at >= product_versions.valid_from
            and orders.ordered_at < {{ open_end('product_versions.valid_to') }}
    left join fx_rates
        on
            orders.order_date = fx_rates.date_day
            and product_versions.currency = fx_rates.currency
),

-- The cost as sold; where the shop did not note it, what the product cost at that moment.
final as (
    select
        order_item_id,
        order_id,
        product_version_key,
        case
            when line_type <> 'product' then 'not_a_product'
            when unit_cost_as_sold is not null then 'as_sold'
            when unit_cost_of_version is not null then 'product_history'
            else 'unknown'
        end as cost_source,
        {{ money(
            "case when line_type = 'product' "
            "then round(quantity * coalesce(unit_cost_as_sold, unit_cost_of_version) * minor_units, 0) / minor_units "
            "else 0 end"
        ) }} as cogs_amount
    from joined
)

select * from final
{{ stored_by('order_id') }}
