with

{% call touched('refund_id') %}
{{ loaded('api', 'refunds', 'refund_id') }}
union all
select refund_id from {{ source('api', 'refunds') }}
where {{ try_cast('order_id', 'bigint', is_strict=false) }} in ({{ changed('stg_shop__orders', 'order_id') }})
{% endcall %}

refunds as (
    select * from {{ ref('base_api__refunds') }}
    where
        reject_reason is null
        and {{ is_touched_in_raw('api', 'refunds', 'refund_id') }}
),

-- Without its order a refund is set aside until that comes; in another currency it would be added up with the order's.
orders as (
    select
        order_id,
        currency
    from {{ touched_rows(ref('stg_shop__orders'), 'order_id', 'refunds') }}
),

ranked as (
    select
        refunds.*,
        {{ version_rank('refund_id') }} as version_rank
    from refunds
    inner join orders
        on
            refunds.order_id = orders.order_id
            and refunds.currency = orders.currency
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
{{ stored_by('order_id') }}
