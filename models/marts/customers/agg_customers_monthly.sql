-- One row per customer and month, from the month of the first sale on, as things stood at its end; the running month is
-- left out. Everything is counted from the first sale to that day: no column adds up over months.
{%- set running_totals = [
    ('min', 'first_sale_date'), ('max', 'last_sale_date'), ('sum', 'frequency'), ('sum', 'monetary_amount'),
] %}
{#- The last month end that is held; and whose orders or returns changed, or came after it. -#}
{%- set last_held = "(select coalesce(max(held.as_of_date), cast('0001-01-01' as date)) from " ~ this ~ ' as held)' %}
{%- set changed_buyers = changed('fct_orders', 'identity_key') ~ ' union ' ~ changed('fct_refunds', 'identity_key') %}
{%- set movers = [
    changed_buyers,
    'select identity_key from ' ~ ref('fct_orders') ~ ' where order_date > ' ~ last_held,
    'select identity_key from ' ~ ref('fct_refunds') ~ ' where refund_date > ' ~ last_held,
] | join(' union ') %}

with

-- Whoever changed, from the earliest month with a change on; everyone in the months that are over now; and the months
-- that are over no more.
{% call touched(['identity_key', 'month_start_date']) %}
{%- set held_months = keep_keys('select distinct month_start_date from ' ~ this, model.alias ~ '__held_months') %}
select changed_buyers.identity_key, months.month_start_date
from ({{ changed_buyers }}) as changed_buyers
cross join {{ ref('int_months_completed') }} as months
where months.month_start_date >= (
    select cast({{ dbt.date_trunc('month', 'min(moved.moved_date)') }} as date)
    from (
        select order_date as moved_date from ({{ changed('fct_orders', 'order_date') }}) as orders
        union all
        select refund_date from ({{ changed('fct_refunds', 'refund_date') }}) as refunds
    ) as moved
)
union all
-- Joined so that a day without such a month does not read who was there.
select customers.identity_key, new_months.month_start_date
from (
    select months.month_start_date, {{ last_held }} as held_until
    from {{ ref('int_months_completed') }} as months
    where months.month_start_date > {{ last_held }}
) as new_months
inner join (
    select held.identity_key, held.as_of_date as held_until from {{ this }} as held
    union all
    select movers.identity_key, {{ last_held }} as held_until from ({{ movers }}) as movers
) as customers on new_months.held_until = customers.held_until
union all
select held.identity_key, held.month_start_date
from (
    select held_months.month_start_date from ({{ held_months }}) as held_months
    where held_months.month_start_date not in (
        select months.month_start_date from {{ ref('int_months_completed') }} as months
    )
) as gone_months
inner join {{ this }} as held on gone_months.month_start_date = held.month_start_date
{% endcall %}

months as (
    select * from {{ ref('int_months_completed') }}
),

{% if is_incremental() %}
-- Whoever rested keeps in a later month what was last known: a day's build does not add everyone up again.
resting as (
    select
        touched.identity_key,
        touched.month_start_date,
        held.first_sale_date,
        held.last_sale_date,
        held.frequency,
        held.monetary_amount
    from touched
    inner join {{ this }} as held
        on
            touched.identity_key = held.identity_key
            and held.as_of_date = {{ last_held }}
            and touched.month_start_date > held.as_of_date
    where touched.identity_key not in ({{ movers }})
),

counted_anew as (
    select
        touched.identity_key,
        touched.month_start_date
    from touched
    left join resting
        on
            touched.identity_key = resting.identity_key
            and touched.month_start_date = resting.month_start_date
    where resting.identity_key is null
),

-- What a customer had bought by the end of the month before the first one that is counted anew.
opening as (
    select
        held.identity_key,
        held.month_start_date,
        held.first_sale_date,
        held.last_sale_date,
        held.frequency,
        held.monetary_amount
    from (
        select
            identity_key,
            cast({{ dbt.dateadd('month', -1, 'min(month_start_date)') }} as date) as month_before
        from counted_anew
        group by identity_key
    ) as firsts
    inner join {{ this }} as held
        on
            firsts.identity_key = held.identity_key
            and firsts.month_before = held.month_start_date
),

counted_months as (
    select month_start_date as order_month from months
    where month_start_date >= (select min(counted_anew.month_start_date) from counted_anew)
),
{% endif %}

orders as (
    select * from {{ ref('fct_orders') }}
    where
        is_sale
        -- Whoever has no opening had not bought before.
        and {{ is_touched('order_month', 'counted_months') }}
        and {{ is_touched('identity_key', 'counted_anew') }}
),

refunds as (
    select * from {{ touched_rows(ref('fct_refunds'), 'identity_key', 'counted_anew') }}
    where is_sale
),

-- A return takes its money off on the day it is posted. It is no purchase: recency and frequency do not see it.
movements as (
    select
        identity_key,
        cast({{ dbt.date_trunc('month', 'order_date') }} as date) as month_start_date,
        order_date as posted_date,
        order_date as sale_date,
        reporting_net_sales_amount as amount
    from orders
    union all
    select
        identity_key,
        cast({{ dbt.date_trunc('month', 'refund_date') }} as date) as month_start_date,
        refund_date as posted_date,
        null as sale_date,
        -reporting_returns_amount as amount
    from refunds
),

{% if is_incremental() %}
movements_since_opening as (
    select movements.*
    from movements
    left join opening on movements.identity_key = opening.identity_key
    where
        opening.identity_key is null
        or movements.month_start_date > opening.month_start_date
),
{% endif %}

movements_by_month as (
    select
        identity_key,
        month_start_date,
        min(sale_date) as first_sale_date,
        max(sale_date) as last_sale_date,
        count(sale_date) as frequency,
        sum(amount) as monetary_amount
    from {{ 'movements_since_opening' if is_incremental() else 'movements' }}
    where posted_date <= (select max(months.month_end_date) from months)
    group by identity_key, month_start_date
),

{% if is_incremental() %}
customer_months as (
    select * from counted_anew
),
{% else %}
customer_months as (
    select
        customers.identity_key,
        months.month_start_date
    from (
        select
            identity_key,
            min(month_start_date) as first_month
        from movements_by_month
        group by identity_key
    ) as customers
    inner join months on customers.first_month <= months.month_start_date
),
{% endif %}

-- Months that are asked for stand after the movements of that month, without an amount of their own: one pass over a
-- customer's months adds everything up to each.
lined_up as (
    select
        identity_key,
        month_start_date,
        first_sale_date,
        last_sale_date,
        frequency,
        monetary_amount,
        0 as is_asked_for
    from movements_by_month
    union all
    select
        identity_key,
        month_start_date,
        null as first_sale_date,
        null as last_sale_date,
        0 as frequency,
        0 as monetary_amount,
        1 as is_asked_for
    from customer_months
    {% if is_incremental() %}
    union all
    select
        *,
        0 as is_asked_for
    from opening
    {% endif %}
),

added_up as (
    select
        identity_key,
        month_start_date,
        {% for aggregate, column in running_totals %}
        {{ aggregate }}({{ column }}) over (
            partition by identity_key
            order by month_start_date, is_asked_for
            rows between unbounded preceding and current row
        ) as {{ column }},
        {% endfor %}
        is_asked_for
    from lined_up
),

known as (
    select
        identity_key,
        month_start_date,
        first_sale_date,
        last_sale_date,
        frequency,
        monetary_amount
    from added_up
    where
        is_asked_for = 1
        and frequency > 0
    {% if is_incremental() %}
    union all
    select * from resting
    {% endif %}
),

dated as (
    select
        known.*,
        months.month_end_date as as_of_date
    from known
    inner join months on known.month_start_date = months.month_start_date
),

derived as (
    select
        *,
        {{ dbt_utils.generate_surrogate_key(['identity_key', 'month_start_date']) }} as customer_month_key,
        {{ dbt.datediff('last_sale_date', 'as_of_date', 'day') }}
            as recency_days
    from dated
),

final as (
    select
        -- keys
        derived.customer_month_key,
        derived.identity_key,
        derived.month_start_date,

        -- attributes
        derived.as_of_date,
        derived.first_sale_date,
        derived.last_sale_date,
        cast(derived.recency_days as integer) as recency_days,
        cast(derived.frequency as integer) as frequency,

        -- amounts
        {{ reporting_currency() }} as currency,
        {{ money('derived.monetary_amount') }} as monetary_amount
    from derived
)

select * from final
{{ stored_by('month_start_date') }}
