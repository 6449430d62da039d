with

{% call touched('refund_id') %}
{{ changed('stg_api__refunds', 'refund_id') }}
{% endcall %}

refunds as (
    select * from {{ touched_rows(ref('stg_api__refunds'), 'refund_id') }}
),

unnested as (
    select
        refunds.refund_id,
        refunds.order_id,
        refunds.load_id,
        elements.line_number,
        elements.element
    from refunds
    cross join {{ unnest_json_array('refunds.lines_json') }}
),

renamed as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['refund_id', 'line_number']) }} as refund_line_id,
        refund_id,
        order_id,
        cast({{ json_text('element', 'order_item_id') }} as bigint) as order_item_id,

        -- attributes
        cast(line_number as integer) as line_number,
        cast({{ json_text('element', 'quantity') }} as bigint) as quantity,

        -- amounts
        cast({{ json_text('element', 'amount') }} as decimal(18, 4)) as amount,
        cast({{ json_text('element', 'tax_amount') }} as decimal(18, 4)) as tax_amount,

        -- flags
        coalesce({{ json_text('element', 'restock') }} = 'true', false) as is_restocked,

        -- load metadata
        load_id
    from unnested
)

select * from renamed
{{ stored_by('refund_id') }}
