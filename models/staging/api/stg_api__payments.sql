with

{% call touched('payment_id') %}
{{ loaded('api', 'payments', 'payment_id') }}
union all
select payment_id from {{ source('api', 'payments') }}
where {{ try_cast('order_id', 'bigint', is_strict=false) }} in ({{ changed('stg_shop__orders', 'order_id') }})
{% endcall %}

payments as (
    select * from {{ ref('base_api__payments') }}
    where
        reject_reason is null
        and {{ is_touched_in_raw('api', 'payments', 'payment_id') }}
),

-- Without its order a payment is set aside until that comes; in another currency it would be added up with the order's.
orders as (
    select
        order_id,
        currency
    from {{ touched_rows(ref('stg_shop__orders'), 'order_id', 'payments') }}
),

ranked as (
    select
        payments.*,
        {{ version_rank('payment_id') }} as version_rank
    from payments
    inner join orders
        on
            payments.order_id = orders.order_id
            and payments.currency = orders.currency
),

renamed as (
    select
        -- keys
        payment_id,
        order_id,

        -- attributes
        kind,
        status,
        method,
        currency,

        -- amounts
        amount,

        -- flags
        status = 'succeeded' and kind in ('sale', 'capture', 'refund') as is_money_movement,

        -- timestamps
        created_at,
        updated_at,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
{{ stored_by('order_id') }}
