with

{% call touched('session_id') %}
{{ loaded('api', 'sessions', 'session_id') }}
{% endcall %}

ranked as (
    select
        *,
        {{ version_rank('session_id') }} as version_rank
    from {{ ref('base_api__sessions') }}
    where
        reject_reason is null
        and {{ is_touched_in_raw('api', 'sessions', 'session_id') }}
),

renamed as (
    select
        -- keys
        session_id,
        customer_id,
        anonymous_id,

        -- attributes
        device,
        utm_source,
        utm_medium,
        utm_campaign,
        referrer,
        landing_page_url,

        -- timestamps
        started_at,
        ended_at,
        updated_at,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
{{ stored_by('started_at') }}
