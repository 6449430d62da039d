-- One row per version of a registered customer. Join on customer_version_key, or on customer_id and the window.
with

versions as (
    select * from {{ ref('int_customer_versions_windowed') }}
),

final as (
    select
        -- keys
        customer_version_key,
        customer_id,

        -- attributes
        country_code,
        region,

        -- flags
        is_marketing_opt_in,
        is_test,
        is_deleted,
        is_current,

        -- timestamps
        valid_from,
        valid_to
    from versions
)

select * from final
