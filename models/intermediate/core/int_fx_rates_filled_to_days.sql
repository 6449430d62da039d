with

rates as (
    select * from {{ ref('stg_api__fx_rates') }}
    where currency <> {{ reporting_currency() }}
),

days as (
    select * from {{ ref('int_days_spined') }}
),

-- A rate holds until the next one: weekends and holidays have none. The first rate also serves the days before it.
rate_windows as (
    select
        currency,
        rate,
        rate_date,
        lag(rate_date) over (partition by currency order by rate_date) is null as is_first,
        lead(rate_date) over (partition by currency order by rate_date) as next_rate_date
    from rates
),

foreign_rates as (
    select
        days.date_day,
        rate_windows.currency,
        rate_windows.rate,
        rate_windows.rate_date
    from rate_windows
    inner join days
        on
            (rate_windows.rate_date <= days.date_day or rate_windows.is_first)
            and (rate_windows.next_rate_date > days.date_day or rate_windows.next_rate_date is null)
),

own_rates as (
    select
        date_day,
        {{ reporting_currency() }} as currency,
        cast(1 as decimal(18, 8)) as rate,
        date_day as rate_date
    from days
),

unioned as (
    select * from foreign_rates
    union all
    select * from own_rates
),

final as (
    select
        {{ dbt_utils.generate_surrogate_key(['date_day', 'currency']) }} as fx_rate_day_key,
        date_day,
        currency,
        rate,
        rate_date
    from unioned
)

select * from final
