with

source as (
    select
        *,
        {{ row_place() }} as row_place
    from {{ source('api', 'payments') }}
),

orders as (
    select order_id from {{ ref('stg_shop__orders') }}
),

typed as (
    select
        payment_id,
        {{ try_cast('order_id', 'bigint') }} as order_id,
        kind,
        status,
        method,
        {{ try_cast('amount', 'decimal(18, 4)') }} as amount,
        upper(currency) as currency,
        {{ try_cast('created_at', 'timestamptz') }} as created_at,
        {{ try_cast('updated_at', 'timestamptz') }} as updated_at,
        _dlt_load_id,
        row_place,
        {{ json_object_text([
            'order_id', 'kind', 'status', 'method', 'amount', 'currency', 'created_at', 'updated_at',
        ]) }} as row_json
    from source
),

judged as (
    select
        typed.*,
        case
            when typed.payment_id is null then 'missing_key'
            when typed.amount is null then 'invalid_amount'
            when typed.currency is null then 'missing_currency'
            when
                typed.kind is null
                or typed.kind not in ('authorization', 'sale', 'capture', 'refund', 'void')
                then 'unknown_kind'
            when
                typed.status is null
                or typed.status not in ('succeeded', 'failed', 'pending')
                then 'unknown_status'
            when typed.created_at is null or not ({{ is_plausible_time('typed.created_at') }}) then 'invalid_timestamp'
            when orders.order_id is null then 'unknown_order'
        end as reject_reason
    from typed
    left join orders on typed.order_id = orders.order_id
)

select * from judged
