with

source as (
    select * from {{ source('shop', 'customers') }}
),

judged as (
    select
        *,
        case
            when customer_id is null then 'missing_key'
            when updated_at is null then 'invalid_timestamp'
        end as reject_reason
    from source
)

select * from judged
