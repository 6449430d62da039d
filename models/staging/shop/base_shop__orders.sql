with

source as (
    select
        *,
        {{ row_place() }} as row_place
    from {{ source('shop', 'orders') }}
),

stores as (
    select store_id from {{ ref('stg_shop__stores') }}
),

judged as (
    select
        source.order_id,
        source.order_number,
        source.store_id,
        source.customer_id,
        source.guest_email,
        source.status,
        source.channel,
        source.currency,
        source.subtotal_amount,
        source.discount_amount,
        source.shipping_amount,
        source.tax_amount,
        source.total_amount,
        source.coupon_code,
        source.is_test,
        source.ordered_at,
        source.cancelled_at,
        source.shipped_at,
        source.delivered_at,
        source.shipping_country_code,
        source.session_id,
        source.created_at,
        source.updated_at,
        source.deleted_at,
        source._dlt_load_id,
        source.row_place,
        {{ json_object_text([
            'source.order_number', 'source.store_id', 'source.status', 'source.currency',
            'source.subtotal_amount', 'source.discount_amount', 'source.shipping_amount',
            'source.tax_amount', 'source.total_amount', 'source.ordered_at', 'source.updated_at',
        ]) }} as row_json,
        case
            when source.order_id is null then 'missing_key'
            when source.unreadable_values is not null then 'unreadable_value'
            when stores.store_id is null then 'unknown_store'
            when
                source.status is null
                or source.status not in ('pending', 'processing', 'shipped', 'delivered', 'cancelled', 'returned')
                then 'unknown_status'
            when source.currency is null then 'missing_currency'
            when
                source.subtotal_amount is null
                or source.discount_amount is null
                or source.shipping_amount is null
                or source.tax_amount is null
                or source.total_amount is null
                then 'invalid_amount'
            when source.ordered_at is null then 'invalid_timestamp'
            -- One order dated 2099 would stretch the calendar and move "today": an order cannot be placed
            -- after the shop last touched it.
            when
                not ({{ is_plausible_time('source.ordered_at') }})
                or source.ordered_at > source.updated_at + interval '1' day
                then 'impossible_date'
        end as reject_reason
    from source
    left join stores on source.store_id = stores.store_id
)

select * from judged
