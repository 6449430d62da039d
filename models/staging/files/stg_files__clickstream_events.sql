with

{% call touched('event_id') %}
{{ changed('base_files__clickstream_events', 'event_id') }}
{% endcall %}

-- The same event may be delivered twice, in another file and on another day: the first arrival counts.
ranked as (
    select
        *,
        row_number() over (
            partition by event_id
            order by received_at, file_path, line_number
        ) as version_rank
    from {{ touched_rows(ref('base_files__clickstream_events'), 'event_id') }}
    where reject_reason is null
),

renamed as (
    select
        -- keys
        event_id,
        session_id,
        -- An event without a visitor is a visitor of its own, or all of them would look like one very busy person.
        coalesce(anonymous_id, 'session:' || session_id, 'event:' || event_id) as visitor_id,
        customer_id,
        product_id,
        order_id,

        -- attributes
        event_type,
        page_url,
        quantity,

        -- timestamps
        occurred_at,
        received_at,

        -- load metadata
        file_path,
        line_number,
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
{{ stored_by('occurred_at') }}
