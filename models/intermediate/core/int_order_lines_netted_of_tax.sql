with

{% call touched('order_id') %}
{{ changed('stg_shop__order_items', 'order_id') }}
union all
{{ changed('int_orders_dated', 'order_id') }}
union all
{{ changed('int_order_discounts_allocated_to_lines', 'order_id') }}
{% endcall %}

lines as (
    select * from {{ touched_rows(ref('stg_shop__order_items'), 'order_id') }}
),

orders as (
    select
        order_id,
        currency,
        prices_include_tax,
        {{ minor_units('currency') }} as minor_units
    from {{ touched_rows(ref('int_orders_dated'), 'order_id') }}
),

shares as (
    select * from {{ touched_rows(ref('int_order_discounts_allocated_to_lines'), 'order_id') }}
),

stated as (
    select
        lines.order_item_id,
        lines.order_id,
        orders.prices_include_tax,
        orders.minor_units,
        lines.quantity * lines.unit_price as stated_gross_amount,
        lines.discount_amount as stated_line_discount_amount,
        lines.discount_amount + shares.order_discount_share_amount as stated_discount_amount,
        lines.tax_amount
    from lines
    inner join orders on lines.order_id = orders.order_id
    inner join shares on lines.order_item_id = shares.order_item_id
),

netted as (
    select
        *,
        stated_gross_amount - stated_discount_amount as stated_amount,
        stated_gross_amount - stated_discount_amount
        - case when prices_include_tax then tax_amount else 0 end as net_amount
    from stated
),

-- Whole minor units: gross and line discount shrink in the same ratio as the amount paid.
counted as (
    select
        *,
        cast(round(stated_amount * minor_units) as decimal(38, 0)) as stated_count,
        cast(round(net_amount * minor_units) as decimal(38, 0)) as net_count,
        cast(round(stated_gross_amount * minor_units) as decimal(38, 0)) as gross_count,
        cast(round(stated_line_discount_amount * minor_units) as decimal(38, 0)) as line_discount_count
    from netted
),

scaled as (
    select
        order_item_id,
        order_id,
        net_amount,
        stated_discount_amount = stated_line_discount_amount as has_line_discount_only,
        stated_line_discount_amount = 0 as has_order_discount_only,
        -- A line that is free after its discounts bears no tax that could be taken out.
        case
            when not prices_include_tax or stated_count = 0 then stated_gross_amount
            else round({{ divide_rounded('(gross_count * net_count)', 'stated_count') }} / minor_units, 2)
        end as gross_amount,
        case
            when not prices_include_tax or stated_count = 0 then stated_line_discount_amount
            else round({{ divide_rounded('(line_discount_count * net_count)', 'stated_count') }} / minor_units, 2)
        end as line_discount_amount
    from counted
),

final as (
    select
        order_item_id,
        order_id,
        cast(gross_amount as decimal(18, 2)) as gross_amount,
        -- Rounding must not give a discount to a line that had none of its kind.
        cast(
            case
                when has_line_discount_only then gross_amount - net_amount
                when has_order_discount_only then 0
                else line_discount_amount
            end as decimal(18, 2)
        ) as line_discount_amount,
        cast(gross_amount - net_amount as decimal(18, 2)) as discount_amount,
        cast(net_amount as decimal(18, 2)) as net_amount
    from scaled
)

select * from final
{{ stored_by('order_id') }}
