with

{% call touched(['file_path', 'line_number']) %}
{{ loaded('files', 'clickstream', 'file_path, line_number') }}
union all
-- A file that was read anew may have lost lines.
select held.file_path, held.line_number from {{ this }} as held
where held.file_path in ({{ loaded('files', 'file_manifest', 'file_path') }})
{% endcall %}

source as (
    select * from {{ touched_rows(source('files', 'clickstream'), ['file_path', 'line_number']) }}
),

parsed as (
    select
        *,
        case when {{ json_kind('record') }} = 'object' then record end as event_json
    from source
),

fields as (
    select
        {{ json_text('event_json', 'event_id') }} as event_id,
        {{ json_text('event_json', 'event_type') }} as event_type,
        {{ json_text('event_json', 'anonymous_id') }} as anonymous_id,
        {{ json_text('event_json', 'customer_id') }} as customer_id,
        {{ json_text('event_json', 'session_id') }} as session_id,
        {{ json_text('event_json', 'page_url') }} as page_url,
        {{ json_text('event_json', 'properties.product_id') }} as product_id,
        {{ json_text('event_json', 'properties.quantity') }} as quantity,
        {{ json_text('event_json', 'properties.order_id') }} as order_id,
        {{ json_text('event_json', 'occurred_at') }} as occurred_at,
        {{ json_text('event_json', 'received_at') }} as received_at,
        event_json is not null as is_object,
        read_error,
        file_path,
        line_number,
        _dlt_load_id
    from parsed
),

typed as (
    select
        event_id,
        event_type,
        anonymous_id,
        {{ try_cast('customer_id', 'bigint') }} as customer_id,
        session_id,
        page_url,
        {{ try_cast('product_id', 'bigint') }} as product_id,
        {{ try_cast('quantity', 'integer') }} as quantity,
        {{ try_cast('order_id', 'bigint') }} as order_id,
        {{ try_cast('occurred_at', 'timestamptz') }} as occurred_at,
        {{ try_cast('received_at', 'timestamptz') }} as received_at,
        is_object,
        read_error,
        file_path,
        line_number,
        _dlt_load_id,
        {{ json_object_text(['event_id', 'event_type', 'occurred_at', 'received_at', 'read_error']) }} as row_json
    from fields
),

judged as (
    select
        *,
        case
            when read_error is not null then 'unreadable_line'
            when not is_object then 'invalid_json'
            when event_id is null then 'missing_key'
            when
                event_type is null
                or event_type not in ('page_view', 'product_view', 'add_to_cart', 'begin_checkout', 'purchase')
                then 'unknown_event_type'
            when occurred_at is null or received_at is null then 'invalid_timestamp'
            -- Clocks of devices run a little ahead; a day ahead of the arrival is no clock but an error.
            when
                not ({{ is_plausible_time('occurred_at') }})
                or occurred_at > received_at + interval '1' day
                then 'impossible_date'
        end as reject_reason
    from typed
)

select * from judged
