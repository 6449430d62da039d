with

source as (
    select
        *,
        {{ row_place() }} as row_place
    from {{ source('api', 'refunds') }}
),

typed as (
    select
        refund_id,
        {{ try_cast('order_id', 'bigint') }} as order_id,
        reason,
        upper(currency) as currency,
        {{ try_cast('shipping_amount', 'decimal(18, 4)') }} as shipping_amount,
        {{ try_cast('adjustment_amount', 'decimal(18, 4)') }} as adjustment_amount,
        case when {{ json_kind('lines') }} = 'array' then lines end as lines_json,
        {{ try_cast('refunded_at', 'timestamptz') }} as refunded_at,
        {{ try_cast('updated_at', 'timestamptz') }} as updated_at,
        _dlt_load_id,
        row_place,
        {{ json_object_text([
            'order_id', 'reason', 'currency', 'shipping_amount', 'adjustment_amount', 'lines',
            'refunded_at', 'updated_at',
        ]) }} as row_json
    from source
),

-- A refund with one unreadable line would give back too little money: it is set aside as a whole.
judged as (
    select
        *,
        case
            when refund_id is null then 'missing_key'
            when shipping_amount is null or adjustment_amount is null then 'invalid_amount'
            when lines_json is null or {% call(line) is_any_element('lines_json') -%}
                {{ try_cast(json_text(line, 'order_item_id'), 'bigint') }} is null
                or {{ try_cast(json_text(line, 'quantity'), 'bigint') }} is null
                or {{ try_cast(json_text(line, 'amount'), 'decimal(18, 4)') }} is null
                or {{ try_cast(json_text(line, 'tax_amount'), 'decimal(18, 4)') }} is null
            {%- endcall %} then 'invalid_lines'
            when currency is null then 'missing_currency'
            when
                refunded_at is null or not ({{ is_plausible_time('refunded_at') }})
                then 'invalid_timestamp'
            -- Like an order: one refund dated 2099 would stretch the calendar.
            when refunded_at > updated_at + interval '1' day then 'impossible_date'
        end as reject_reason
    from typed
)

select * from judged
