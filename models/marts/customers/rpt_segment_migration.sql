-- One row per month and pair of segments: how many customers came from the one and ended the month in the other.
with

month_ends as (
    select * from {{ ref('rpt_customer_rfm_history') }}
),

scores_to_date as (
    select * from {{ ref('rpt_customer_rfm') }}
),

-- On its last day a month is complete, and month_ends has it.
standings as (
    select
        identity_key,
        month_start_date,
        segment,
        true as is_month_complete
    from month_ends
    union all
    select
        identity_key,
        cast({{ dbt.date_trunc('month', 'as_of_date') }} as date) as month_start_date,
        segment,
        false as is_month_complete
    from scores_to_date
    where as_of_date < {{ dbt.last_day('as_of_date', 'month') }}
),

-- A customer has a row for every month since the first sale, so the row before is the month before.
moves as (
    select
        month_start_date,
        is_month_complete,
        segment as to_segment,
        coalesce(lag(segment) over (partition by identity_key order by month_start_date), 'First sale') as from_segment
    from standings
),

counted as (
    select
        month_start_date,
        is_month_complete,
        from_segment,
        to_segment,
        count(*) as customers
    from moves
    group by month_start_date, is_month_complete, from_segment, to_segment
),

shared as (
    select
        *,
        sum(customers) over (partition by month_start_date, from_segment) as customers_of_from_segment
    from counted
),

final as (
    select
        -- keys
        {{ dbt_utils.generate_surrogate_key(['month_start_date', 'from_segment', 'to_segment']) }}
            as segment_migration_key,
        month_start_date,

        -- attributes
        from_segment,
        to_segment,

        -- amounts
        cast(customers as integer) as customers,
        {{ quotient('100 * customers', 'customers_of_from_segment') }} as share_of_from_segment_pct,

        -- flags
        from_segment = to_segment as is_unchanged,
        is_month_complete
    from shared
)

select * from final
