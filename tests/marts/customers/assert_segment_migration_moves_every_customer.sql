-- If this fails, customers vanish between two months, or are counted in two segments at once.
with

left_behind as (
    select
        month_start_date,
        to_segment as segment,
        sum(customers) as customers
    from {{ ref('rpt_segment_migration') }}
    group by month_start_date, to_segment
),

taken_along as (
    select
        cast({{ dbt.dateadd('month', -1, 'month_start_date') }} as date) as month_start_date,
        from_segment as segment,
        sum(customers) as customers
    from {{ ref('rpt_segment_migration') }}
    where from_segment <> 'First sale'
    group by month_start_date, from_segment
),

last_month as (
    select max(month_start_date) as month_start_date
    from {{ ref('rpt_segment_migration') }}
)

select
    left_behind.month_start_date,
    left_behind.segment,
    left_behind.customers,
    taken_along.customers as customers_in_the_next_month
from left_behind
inner join last_month on left_behind.month_start_date < last_month.month_start_date
left join taken_along
    on
        left_behind.month_start_date = taken_along.month_start_date
        and left_behind.segment = taken_along.segment
where left_behind.customers <> coalesce(taken_along.customers, 0)
