-- One row per customer and month, from the month of the first sale on, as things stood at its end; the running month
-- stands at as_of_date. Everything is counted from the first sale to that day: no column adds up over months.
with

-- All months of who bought or gave back anew, and everyone in the months whose last day moved or that are the latest no
-- more: a month that was the latest on its very last day keeps that day.
{% call touched(['identity_key', 'month_start_date']) %}
select movers.identity_key, months.month_start_date
from (
    {{ changed('fct_orders', 'identity_key') }}
    union
    {{ changed('fct_refunds', 'identity_key') }}
) as movers
cross join {{ ref('int_months_derived') }} as months
union all
select customers.identity_key, months.month_start_date
from (select distinct identity_key from {{ ref('fct_orders') }}) as customers
cross join {{ ref('int_months_derived') }} as months
where (months.month_start_date, months.as_of_date, months.is_latest) not in (
    select held.month_start_date, held.as_of_date, held.is_latest from {{ this }} as held
)
union all
select held.identity_key, held.month_start_date from {{ this }} as held
where (held.month_start_date, held.as_of_date, held.is_latest) not in (
    select months.month_start_date, months.as_of_date, months.is_latest from {{ ref('int_months_derived') }} as months
)
{% endcall %}

orders as (
    select * from {{ ref('fct_orders') }}
    where
        is_sale
        and {{ is_touched('identity_key') }}
),

refunds as (
    select * from {{ ref('fct_refunds') }}
    where
        is_sale
        and {{ is_touched('identity_key') }}
),

months as (
    select * from {{ ref('int_months_derived') }}
),

-- A return takes its money off on the day it is posted. It is no purchase: recency and frequency do not see it.
movements as (
    select
        identity_key,
        order_date as posted_date,
        order_date as sale_date,
        reporting_net_sales_amount as amount
    from orders
    union all
    select
        identity_key,
        refund_date as posted_date,
        null as sale_date,
        -reporting_returns_amount as amount
    from refunds
),

counted as (
    select
        months.month_start_date,
        months.as_of_date,
        months.is_latest,
        movements.identity_key,
        min(movements.sale_date) as first_sale_date,
        max(movements.sale_date) as last_sale_date,
        count(movements.sale_date) as frequency,
        sum(movements.amount) as monetary_amount
    from movements
    {% if is_incremental() %}
    inner join (select distinct * from touched) as touched on movements.identity_key = touched.identity_key
    inner join months
        on
            touched.month_start_date = months.month_start_date
            and movements.posted_date <= months.as_of_date
    {% else %}
    inner join months on movements.posted_date <= months.as_of_date
    {% endif %}
    group by months.month_start_date, months.as_of_date, months.is_latest, movements.identity_key
    having count(movements.sale_date) > 0
),

derived as (
    select
        *,
        {{ dbt_utils.generate_surrogate_key(['identity_key', 'month_start_date']) }} as customer_month_key,
        {{ dbt.datediff('last_sale_date', 'as_of_date', 'day') }}
            as recency_days,
        {{ dbt.last_day('as_of_date', 'month') }} as month_end_date
    from counted
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
        {{ money('derived.monetary_amount') }} as monetary_amount,

        -- flags
        derived.is_latest,
        derived.as_of_date = derived.month_end_date as is_month_complete
    from derived
)

select * from final
