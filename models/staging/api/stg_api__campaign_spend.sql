with

ranked as (
    select
        *,
        row_number() over (
            partition by spend_date, channel, campaign
            order by _dlt_load_id desc nulls last, row_json desc
        ) as version_rank
    from {{ ref('base_api__campaign_spend') }}
    where reject_reason is null
),

renamed as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['spend_date', 'channel', 'campaign']) }} as campaign_spend_key,
        spend_date,
        channel,
        campaign,

        -- attributes
        currency,
        impressions,
        clicks,

        -- amounts
        amount,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
