{#
    The last full days hold as many rows as their weekday usually does. A shop with few rows a day is allowed the scatter
    of pure chance. A score beyond the limit is a load that lost or doubled rows, a tracker that broke, or news: a test
    for severity `warn`. What cannot be news is for `volume_is_not_lost`.
#}
{% test volume_is_usual(model, date_column, days=7, weeks=12, limit=6) %}

with

usual_volumes as (
    {{ usual_volumes(model, date_column, days, weeks) }}
),

-- 0.6745 makes the median distance of a normal distribution one standard deviation.
scored as (
    select
        *,
        (volume - usual_volume) / greatest(usual_distance / 0.6745, sqrt(greatest(usual_volume, 1))) as robust_z_score
    from usual_volumes
)

select * from scored
where abs(robust_z_score) > {{ limit }}

{% endtest %}
