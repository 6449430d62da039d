with

{% call touched('order_id') %}
{{ changed('stg_shop__orders', 'order_id') }}
union all
{{ changed('stg_shop__order_items', 'order_id') }}
{% endcall %}

orders as (
    select
        order_id,
        discount_amount,
        {{ minor_units('currency') }} as minor_units
    from {{ touched_rows(ref('stg_shop__orders'), 'order_id') }}
),

lines as (
    select
        order_item_id,
        order_id,
        quantity * unit_price - discount_amount as line_amount
    from {{ touched_rows(ref('stg_shop__order_items'), 'order_id') }}
),

order_totals as (
    select
        order_id,
        sum(line_amount) as lines_amount
    from lines
    group by order_id
),

-- Whole minor units from here on: sums and remainders are exact.
counted as (
    select
        lines.order_item_id,
        lines.order_id,
        orders.minor_units,
        cast(round(orders.discount_amount * orders.minor_units) as decimal(38, 0)) as order_discount,
        -- An order of free lines only: every line carries the same.
        cast(
            case when order_totals.lines_amount = 0 then 1 else round(lines.line_amount * orders.minor_units) end
            as decimal(38, 0)
        ) as weight
    from lines
    inner join orders on lines.order_id = orders.order_id
    inner join order_totals on lines.order_id = order_totals.order_id
),

weighed as (
    select
        *,
        order_discount * weight as weighted_discount,
        sum(weight) over (partition by order_id) as total_weight
    from counted
),

-- A line that takes money off, too, has a remainder above zero: mod() alone would give it one below.
divided as (
    select
        *,
        mod(mod(weighted_discount, total_weight) + total_weight, total_weight) as units_lost
    from weighed
),

rounded_down as (
    select
        *,
        cast((weighted_discount - units_lost) / total_weight as decimal(38, 0)) as whole_share
    from divided
),

ranked as (
    select
        *,
        order_discount - sum(whole_share) over (partition by order_id) as units_left,
        row_number() over (partition by order_id order by units_lost desc, order_item_id asc) as remainder_rank
    from rounded_down
),

final as (
    select
        order_item_id,
        order_id,
        cast(
            round((whole_share + case when remainder_rank <= units_left then 1 else 0 end) / minor_units, 2)
            as decimal(18, 2)
        ) as order_discount_share_amount
    from ranked
)

select * from final
{{ stored_by('order_id') }}
