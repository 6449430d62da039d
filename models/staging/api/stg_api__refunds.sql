with

ranked as (
    select
        *,
        {{ version_rank('refund_id') }} as version_rank
    from {{ ref('base_api__refunds') }}
    where reject_reason is null
),

renamed as (
    select
        -- keys
        refund_id,
        order_id,

        -- attributes
        reason,
        currency,
        lines_json,

        -- amounts
        shipping_amount,
        adjustment_amount,

        -- timestamps
        refunded_at,
        updated_at,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
