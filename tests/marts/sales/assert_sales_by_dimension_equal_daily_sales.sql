-- If this fails, a cut of the sales by store, channel, category or segment loses money or counts it twice.
{%- set measures = [
    'gross_sales', 'discounts', 'returns', 'net_sales', 'shipping', 'taxes', 'total_sales', 'cogs', 'gross_profit',
] %}

with

summed_by_day as (
    select
        {% for measure in measures -%}
        sum({{ measure }}) as {{ measure }},
        {% endfor -%}
        date_day
    from {{ ref('agg_daily_sales_by_dimension') }}
    group by date_day
),

compared as (
    select
        {% for measure in measures -%}
        coalesce(daily_sales.{{ measure }}, 0) - coalesce(summed_by_day.{{ measure }}, 0) as {{ measure }}_difference,
        {% endfor -%}
        coalesce(daily_sales.date_day, summed_by_day.date_day) as date_day
    from {{ ref('agg_daily_sales') }} as daily_sales
    full outer join summed_by_day on daily_sales.date_day = summed_by_day.date_day
)

select * from compared
where {{ measures | join('_difference <> 0 or ') }}_difference <> 0
