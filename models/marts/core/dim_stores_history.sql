-- One row per version of a store. Facts use a store as it is today: a corrected time zone or tax rule was wrong before.
with

snapshot_rows as (
    select * from {{ ref('snap_stores') }}
),

versions as (
    select
        {{ version_windows('store_id') }},
        store_id,
        store_name,
        country_code,
        timezone,
        currency,
        prices_include_tax,
        is_deleted
    from snapshot_rows
),

final as (
    select
        -- keys
        store_version_key,
        store_id,

        -- attributes
        store_name,
        country_code,
        timezone,
        currency,

        -- flags
        prices_include_tax,
        is_deleted,
        is_current,

        -- timestamps
        valid_from,
        valid_to
    from versions
)

select * from final
