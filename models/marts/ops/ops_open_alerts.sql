-- One row per alert that is open now. `python -m operations alert` tells of new ones, and of those that left.
with

on_pipeline as (
    select * from {{ ref('ops_alerts_on_pipeline') }}
),

on_data as (
    select * from {{ ref('ops_alerts_on_data') }}
),

on_shop as (
    select * from {{ ref('ops_alerts_on_shop') }}
),

all_alerts as (
    select * from on_pipeline

    union all

    select * from on_data

    union all

    select * from on_shop
),

final as (
    select
        alert_key,
        severity,
        title,
        detail
    from all_alerts
)

select * from final
