{#
    None of the last full days is silent, which is to hold less than a tenth of what its weekday usually does. One row per
    silent day, but only when 30 rows or more were to be expected of all silent days together: that chance leaves so few,
    whichever of seven days one may pick, happens less than once in a million. So no day of a small shop is judged by
    itself, and a shop of one order a day not at all. Where silence is right, name the day in `closed_days`.
    Why so: docs/decisions/0012-silence-is-an-error.md.
#}
{% test volume_is_not_lost(model, date_column, days=7, weeks=12, silent_below=0.1, at_least=30) %}

with

usual_volumes as (
    {{ usual_volumes(model, date_column, days, weeks) }}
),

silent_days as (
    select
        *,
        sum(usual_volume) over () as usual_volume_of_silent_days
    from usual_volumes
    where volume < usual_volume * {{ silent_below }}
)

select * from silent_days
where usual_volume_of_silent_days >= {{ at_least }}

{% endtest %}
