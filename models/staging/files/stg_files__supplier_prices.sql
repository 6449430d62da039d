with

-- A price list that is sent again replaces what an earlier file said about the same day.
ranked as (
    select
        *,
        row_number() over (
            partition by sku, supplier_id, valid_from
            order by file_path desc, line_number desc
        ) as version_rank
    from {{ ref('base_files__supplier_prices') }}
    where reject_reason is null
),

renamed as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['sku', 'supplier_id', 'valid_from']) }} as supplier_price_key,
        sku,
        supplier_id,

        -- attributes
        currency,

        -- amounts
        unit_cost,

        -- timestamps
        valid_from,

        -- load metadata
        file_path,
        line_number,
        _dlt_load_id as load_id
    from ranked
    where version_rank = 1
)

select * from renamed
