with

source as (
    select * from {{ source('api', 'campaign_spend') }}
),

typed as (
    select
        {{ try_cast('spend_date', 'date') }} as spend_date,
        channel,
        campaign,
        {{ try_cast('amount', 'decimal(18, 4)') }} as amount,
        upper(currency) as currency,
        {{ try_cast('impressions', 'bigint') }} as impressions,
        {{ try_cast('clicks', 'bigint') }} as clicks,
        _dlt_load_id,
        {{ json_object_text(['spend_date', 'amount', 'currency', 'impressions', 'clicks']) }} as row_json
    from source
),

judged as (
    select
        *,
        case
            when spend_date is null or channel is null or campaign is null then 'missing_key'
            when amount is null then 'invalid_amount'
            when currency is null then 'missing_currency'
            when impressions is null or clicks is null then 'invalid_quantity'
        end as reject_reason
    from typed
)

select * from judged
