-- One row per movement of stock. Quantities are signed: what leaves is negative, so a plain sum is what is left.
with

{% call touched('movement_id') %}
select movements.event_id as movement_id from ({{ changed('stg_files__inventory_events', 'event_id') }}) as movements
{% endcall %}

movements as (
    select * from {{ touched_rows(ref('stg_files__inventory_events'), 'event_id', 'touched.movement_id') }}
),

final as (
    select
        -- keys
        event_id as movement_id,
        product_id,
        location_code,

        -- attributes
        {{ to_local_date('occurred_at', reporting_timezone()) }} as movement_date,
        reason,
        reference,
        quantity_delta,

        -- timestamps
        occurred_at
    from movements
)

select * from final
{{ stored_by('occurred_at') }}
