with

source as (
    select * from {{ source('api', 'fx_rates') }}
),

typed as (
    select
        {{ try_cast('rate_date', 'date') }} as rate_date,
        upper(currency) as currency,
        {{ try_cast('rate', 'decimal(18, 8)') }} as rate,
        _dlt_load_id,
        {{ json_object_text(['rate_date', 'rate']) }} as row_json
    from source
),

judged as (
    select
        *,
        case
            when rate_date is null or currency is null then 'missing_key'
            when rate is null or rate <= 0 then 'invalid_rate'
        end as reject_reason
    from typed
)

select * from judged
