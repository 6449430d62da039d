with

source as (
    select * from {{ source('shop', 'stores') }}
),

timezones as (
    {{ timezone_names() }}
),

judged as (
    select
        source.store_id,
        source.name,
        source.country_code,
        source.timezone,
        source.currency,
        source.prices_include_tax,
        source.created_at,
        source.updated_at,
        source.deleted_at,
        source._dlt_load_id,
        {{ json_object_text([
            'source.name', 'source.country_code', 'source.timezone', 'source.currency',
            'source.prices_include_tax', 'source.updated_at',
        ]) }} as row_json,
        case
            when source.store_id is null then 'missing_key'
            when timezones.name is null then 'unknown_timezone'
            when source.currency is null then 'missing_currency'
            when source.prices_include_tax is null then 'missing_tax_rule'
        end as reject_reason
    from source
    left join timezones on source.timezone = timezones.name
)

select * from judged
