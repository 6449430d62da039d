with

{% call touched('event_id') %}
{{ changed('base_files__inventory_events', 'event_id') }}
{% endcall %}

-- The same event may be delivered twice: the copy in the first file counts.
ranked as (
    select
        *,
        row_number() over (
            partition by event_id
            order by file_path, line_number
        ) as version_rank
    from {{ touched_rows(ref('base_files__inventory_events'), 'event_id') }}
    where reject_reason is null
),

renamed as (
    select
        -- keys
        event_id,
        product_id,
        location_code,

        -- attributes
        quantity_delta,
        reason,
        reference,

        -- timestamps
        occurred_at,

        -- load metadata
        file_path,
        line_number,
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
{{ stored_by('occurred_at') }}
