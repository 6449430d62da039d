with

source as (
    select * from {{ source('shop', 'suppliers') }}
),

judged as (
    select
        *,
        case
            when supplier_id is null then 'missing_key'
            when lead_time_days < 0 or min_order_quantity < 0 then 'invalid_quantity'
        end as reject_reason
    from source
)

select * from judged
