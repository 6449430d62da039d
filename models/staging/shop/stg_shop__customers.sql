with

{% call touched('customer_id') %}
{{ loaded('shop', 'customers', 'customer_id') }}
{% endcall %}

email_salt as (
    select salt from {{ source('secrets', 'email_salt') }}
),

customers as (
    select * from {{ ref('base_shop__customers') }}
    where
        reject_reason is null
        and {{ is_touched('customer_id') }}
),

ranked as (
    select
        customers.*,
        email_salt.salt,
        {{ version_rank('customer_id') }} as version_rank
    from customers
    cross join email_salt
),

renamed as (
    select
        -- keys
        customer_id,

        -- attributes
        nullif(lower(trim(email)), '') as email,
        {{ dbt.hash("salt || nullif(lower(trim(email)), '')") }} as email_hash,
        first_name,
        last_name,
        phone,
        birth_date,
        country_code,
        region,
        city,

        -- flags
        marketing_opt_in as is_marketing_opt_in,
        coalesce(is_test, false) as is_test,
        deleted_at is not null as is_deleted,

        -- timestamps
        created_at,
        updated_at,
        deleted_at,

        -- load metadata
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
