with

segments as (
    select * from {{ ref('rfm_segments') }}
),

schemes as (
    select distinct scheme from segments
),

scores as (
    {% for score in range(1, 6) -%}
    select {{ score }} as score
    {%- if not loop.last %} union all {% endif %}
    {% endfor %}
),

combinations as (
    select
        schemes.scheme,
        recency.score as recency_score,
        frequency.score as frequency_score,
        monetary.score as monetary_score
    from schemes
    cross join scores as recency
    cross join scores as frequency
    cross join scores as monetary
),

matches as (
    select
        combinations.*,
        segments.segment,
        segments.priority,
        row_number() over (
            partition by
                combinations.scheme,
                combinations.recency_score,
                combinations.frequency_score,
                combinations.monetary_score
            order by segments.priority, segments.segment
        ) as match_rank,
        -- More than one and the winner is a matter of spelling: a test forbids it.
        count(segments.segment) over (
            partition by
                combinations.scheme,
                combinations.recency_score,
                combinations.frequency_score,
                combinations.monetary_score,
                segments.priority
        ) as segments_at_priority
    from combinations
    left join segments
        on
            combinations.scheme = segments.scheme
            and combinations.recency_score between segments.recency_score_min and segments.recency_score_max
            and combinations.frequency_score between segments.frequency_score_min and segments.frequency_score_max
            and combinations.monetary_score between segments.monetary_score_min and segments.monetary_score_max
),

final as (
    select
        scheme,
        recency_score,
        frequency_score,
        monetary_score,
        segment,
        priority,
        segments_at_priority
    from matches
    where match_rank = 1
)

select * from final
