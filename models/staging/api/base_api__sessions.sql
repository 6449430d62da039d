with

source as (
    select
        *,
        {{ row_place() }} as row_place
    from {{ source('api', 'sessions') }}
),

typed as (
    select
        session_id,
        {{ try_cast('customer_id', 'bigint') }} as customer_id,
        anonymous_id,
        device,
        utm_source,
        utm_medium,
        utm_campaign,
        referrer,
        -- The provider renamed the field: sessions carry one name or the other.
        coalesce(landing_page_url, landing_page) as landing_page_url,
        {{ try_cast('started_at', 'timestamptz') }} as started_at,
        {{ try_cast('ended_at', 'timestamptz') }} as ended_at,
        {{ try_cast('updated_at', 'timestamptz') }} as updated_at,
        _dlt_load_id,
        row_place,
        {{ json_object_text(['device', 'started_at', 'ended_at', 'updated_at']) }} as row_json
    from source
),

judged as (
    select
        *,
        case
            when session_id is null then 'missing_key'
            when started_at is null or not ({{ is_plausible_time('started_at') }}) then 'invalid_timestamp'
        end as reject_reason
    from typed
)

select * from judged
