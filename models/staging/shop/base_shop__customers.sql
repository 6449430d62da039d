with

source as (
    select * from {{ source('shop', 'customers') }}
),

judged as (
    select
        customer_id,
        email,
        first_name,
        last_name,
        phone,
        birth_date,
        country_code,
        region,
        city,
        marketing_opt_in,
        is_test,
        created_at,
        updated_at,
        deleted_at,
        _dlt_load_id,
        {{ json_object_text(['created_at', 'updated_at', 'deleted_at']) }} as row_json,
        case
            when customer_id is null then 'missing_key'
            when updated_at is null then 'invalid_timestamp'
        end as reject_reason
    from source
)

select * from judged
