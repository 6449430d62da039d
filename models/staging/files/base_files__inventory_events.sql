{%- set kafka_partition_path = "'kafka:' || topic || '/' || cast(kafka_partition as " ~ dbt.type_string() ~ ')' -%}

with

{% call touched(['file_path', 'line_number']) %}
{{ loaded('files', 'inventory_events', 'file_path, line_number', held="file_path not like 'kafka:%'") }}
union all
-- A file that was read anew may have lost lines.
select held.file_path, held.line_number from {{ this }} as held
where held.file_path in ({{ loaded('files', 'file_manifest', 'file_path') }})
union all
{{ loaded(
    'stream', 'inventory_events', kafka_partition_path ~ ' as file_path, kafka_offset as line_number',
    held_key='file_path, line_number', held="file_path like 'kafka:%'"
) }}
{% endcall %}

-- Movements arrive as files, by Kafka, or both. A partition of a topic is read like a file, an offset like a line.
received as (
    select
        file_path,
        line_number,
        record,
        read_error,
        _dlt_load_id
    from {{ source('files', 'inventory_events') }}

    union all

    select
        {{ kafka_partition_path }} as file_path,
        kafka_offset as line_number,
        record,
        read_error,
        _dlt_load_id
    from {{ source('stream', 'inventory_events') }}
),

source as (
    select * from received
    where {{ is_touched(['file_path', 'line_number']) }}
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
        {{ json_text('event_json', 'product_id') }} as product_id,
        {{ json_text('event_json', 'location_code') }} as location_code,
        {{ json_text('event_json', 'quantity_delta') }} as quantity_delta,
        {{ json_text('event_json', 'reason') }} as reason,
        {{ json_text('event_json', 'reference') }} as reference,
        {{ json_text('event_json', 'occurred_at') }} as occurred_at,
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
        {{ try_cast('product_id', 'bigint') }} as product_id,
        location_code,
        {{ try_cast('quantity_delta', 'integer') }} as quantity_delta,
        reason,
        reference,
        {{ try_cast('occurred_at', 'timestamptz') }} as occurred_at,
        is_object,
        read_error,
        file_path,
        line_number,
        _dlt_load_id,
        {{ json_object_text([
            'event_id', 'product_id', 'location_code', 'quantity_delta', 'reason', 'reference',
            'occurred_at', 'read_error',
        ]) }} as row_json
    from fields
),

judged as (
    select
        *,
        case
            when read_error is not null then 'unreadable_line'
            when not is_object then 'invalid_json'
            when event_id is null or product_id is null or location_code is null then 'missing_key'
            when quantity_delta is null then 'invalid_quantity'
            when
                reason is null
                or reason not in ('sale', 'return', 'receipt', 'adjustment', 'transfer')
                then 'unknown_reason'
            when occurred_at is null or not ({{ is_plausible_time('occurred_at') }}) then 'invalid_timestamp'
        end as reject_reason
    from typed
)

select * from judged
