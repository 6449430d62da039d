with

ranked as (
    select
        *,
        row_number() over (
            partition by rate_date, currency
            order by _dlt_load_id desc nulls last, row_json desc
        ) as version_rank
    from {{ ref('base_api__fx_rates') }}
    where reject_reason is null
),

renamed as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['rate_date', 'currency']) }} as fx_rate_key,
        rate_date,
        currency,

        -- amounts
        rate,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
