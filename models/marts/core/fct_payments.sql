-- One row per payment attempt, failed and pending ones and mere authorisations too. Sum signed_amount, not amount.
with

{% call touched('order_id') %}
{{ changed('stg_api__payments', 'order_id') }}
union all
{{ changed('int_orders_qualified_as_sales', 'order_id') }}
union all
select order_id from {{ this }}
where payment_date in ({{ changed('int_fx_rates_filled_to_days', 'date_day') }})
{% endcall %}

payments as (
    select * from {{ touched_rows(ref('stg_api__payments'), 'order_id') }}
),

orders as (
    select * from {{ touched_rows(ref('int_orders_qualified_as_sales'), 'order_id') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates_filled_to_days') }}
),

joined as (
    select
        payments.*,
        orders.store_id,
        orders.identity_key,
        orders.is_sale,
        {{ to_local_date('payments.created_at', 'orders.timezone') }} as payment_date,
        case
            when not payments.is_money_movement then 0
            when payments.kind = 'refund' then -payments.amount
            else payments.amount
        end as signed_amount
    from payments
    inner join orders on payments.order_id = orders.order_id
),

converted as (
    select
        joined.*,
        fx_rates.rate as fx_rate,
        {{ in_reporting_currency('joined.amount', 'fx_rates.rate') }} as reporting_amount,
        {{ in_reporting_currency('joined.signed_amount', 'fx_rates.rate') }} as reporting_signed_amount
    from joined
    left join fx_rates
        on
            joined.payment_date = fx_rates.date_day
            and joined.currency = fx_rates.currency
),

final as (
    select
        -- keys
        payment_id,
        order_id,
        store_id,
        identity_key,

        -- attributes
        kind,
        status,
        method,
        currency,
        payment_date,

        -- amounts
        {{ money('amount') }} as amount,
        {{ money('signed_amount') }} as signed_amount,

        -- amounts in the reporting currency
        fx_rate,
        reporting_amount,
        reporting_signed_amount,

        -- flags
        is_money_movement,
        is_sale,

        -- timestamps
        created_at,
        updated_at
    from converted
)

select * from final
{{ stored_by('order_id') }}
