{#
    The versions of every key follow each other without a gap, an overlap or an inversion, and just one is open.
    Otherwise a fact that is joined by its date finds two versions (and is counted twice) or none.
#}
{% test windows_without_gaps(model, key, valid_from, valid_to) %}

with

versions as (
    select
        {{ key }} as window_key,
        {{ valid_from }} as valid_from,
        {{ valid_to }} as valid_to,
        lead({{ valid_from }}) over (partition by {{ key }} order by {{ valid_from }}) as next_valid_from
    from {{ model }}
)

select * from versions
where
    valid_from is null
    or valid_to <= valid_from
    or (valid_to is null and next_valid_from is not null)
    or (valid_to is not null and next_valid_from is null)
    or valid_to <> next_valid_from

{% endtest %}
