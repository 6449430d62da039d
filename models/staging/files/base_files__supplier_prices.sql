with

source as (
    select * from {{ source('files', 'supplier_prices') }}
),

typed as (
    select
        nullif(trim(sku), '') as sku,
        {{ try_cast('supplier_id', 'bigint') }} as supplier_id,
        {{ try_cast('unit_cost', 'decimal(18, 4)') }} as unit_cost,
        nullif(upper(trim(currency)), '') as currency,
        {{ try_cast('valid_from', 'date') }} as valid_from,
        read_error,
        file_path,
        line_number,
        _dlt_load_id,
        {{ json_object_text([
            'sku', 'supplier_id', 'unit_cost', 'currency', 'valid_from', 'read_error',
        ]) }} as row_json
    from source
),

judged as (
    select
        *,
        case
            when read_error is not null then 'unreadable_line'
            when sku is null or supplier_id is null or valid_from is null then 'missing_key'
            when unit_cost is null or unit_cost < 0 then 'invalid_amount'
            when currency is null then 'missing_currency'
        end as reject_reason
    from typed
)

select * from judged
