with

source as (
    select
        *,
        {{ row_place() }} as row_place
    from {{ source('api', 'payments') }}
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
        *,
        case
            when payment_id is null then 'missing_key'
            when amount is null then 'invalid_amount'
            when currency is null then 'missing_currency'
            when
                kind is null
                or kind not in ('authorization', 'sale', 'capture', 'refund', 'void')
                then 'unknown_kind'
            when
                status is null
                or status not in ('succeeded', 'failed', 'pending')
                then 'unknown_status'
            when created_at is null or not ({{ is_plausible_time('created_at') }}) then 'invalid_timestamp'
            -- Like an order: one payment dated 2099 would stretch the calendar.
            when created_at > updated_at + interval '1' day then 'impossible_date'
        end as reject_reason
    from typed
)

select * from judged
