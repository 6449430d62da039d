with

{% call touched('order_id') %}
{{ changed('int_orders_dated', 'order_id') }}
union all
{{ changed('int_identities_resolved_to_orders', 'order_id') }}
union all
{{ changed('int_payments_summed_to_orders', 'order_id') }}
union all
select order_id from {{ ref('int_identities_resolved_to_orders') }}
where registered_customer_id in ({{ changed('stg_shop__customers', 'customer_id') }})
union all
select order_id from {{ ref('int_identities_resolved_to_orders') }}
where registered_customer_id in ({{ changed('int_customer_versions_windowed', 'customer_id') }})
union all
select order_id from {{ ref('int_orders_dated') }}
where order_date in ({{ changed('int_fx_rates_filled_to_days', 'date_day') }})
{% endcall %}

orders as (
    select * from {{ touched_rows(ref('int_orders_dated'), 'order_id') }}
),

identities as (
    select * from {{ touched_rows(ref('int_identities_resolved_to_orders'), 'order_id') }}
),

customers as (
    select * from {{ ref('int_customers_stripped_of_pii') }}
),

customer_versions as (
    select * from {{ ref('int_customer_versions_windowed') }}
),

payments as (
    select * from {{ touched_rows(ref('int_payments_summed_to_orders'), 'order_id') }}
),

fx_rates as (
    select * from {{ ref('int_fx_rates_filled_to_days') }}
),

joined as (
    select
        orders.*,
        identities.identity_key,
        customer_versions.customer_version_key,
        fx_rates.rate as fx_rate,
        coalesce(payments.paid_amount, 0) as paid_amount,
        payments.first_paid_at,
        orders.customer_id is null as is_guest,
        orders.is_test or coalesce(customers.is_test, false) as is_test_order,
        orders.status = 'cancelled' or orders.cancelled_at is not null as is_cancelled
    from orders
    inner join identities on orders.order_id = identities.order_id
    left join customers on identities.registered_customer_id = customers.customer_id
    left join customer_versions
        on
            identities.registered_customer_id = customer_versions.customer_id
            and orders.ordered_at >= customer_versions.valid_from
            and orders.ordered_at < {{ open_end('customer_versions.valid_to') }}
    left join payments on orders.order_id = payments.order_id
    left join fx_rates
        on
            orders.order_date = fx_rates.date_day
            and orders.currency = fx_rates.currency
),

-- Money that came in before the cancellation was earned: giving it back is a return, on the day it goes back.
cancelled as (
    select
        *,
        is_cancelled and coalesce(first_paid_at > cancelled_at, first_paid_at is null) as is_cancelled_before_payment
    from joined
),

final as (
    select
        -- keys
        order_id,
        store_id,
        customer_id,
        identity_key,
        customer_version_key,
        session_id,

        -- attributes
        order_number,
        status,
        channel,
        currency,
        coupon_code,
        shipping_country_code,
        timezone,
        order_date,

        -- amounts
        fx_rate,
        shipping_amount,
        tax_amount,
        total_amount,
        paid_amount,

        -- flags
        prices_include_tax,
        is_guest,
        is_test_order as is_test,
        is_deleted,
        is_cancelled,
        is_cancelled_before_payment,
        not is_test_order and not is_deleted and not is_cancelled_before_payment as is_sale,

        -- timestamps
        ordered_at,
        first_paid_at,
        cancelled_at,
        shipped_at,
        delivered_at,

        -- load metadata
        load_id
    from cancelled
)

select * from final
{{ stored_by('order_id') }}
