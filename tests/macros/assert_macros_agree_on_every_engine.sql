-- Where engines differ, models call a macro. If one of them says something else on one engine, figures differ there.
{% set moment = dbt.cast("'2025-03-29 23:30:00+00'", 'timestamptz') %}
{% set later = dbt.cast("'2025-03-30 01:00:59.9+00'", 'timestamptz') %}
{% set sunday = dbt.cast("'2024-12-29'", 'date') %}
{% set monday = dbt.cast("'2024-12-30'", 'date') %}
{% set json = "'{\"a\": {\"b\": \"x y\"}, \"n\": 1.50, \"nothing\": null, \"list\": [{\"id\": 7}, {\"id\": 8}]}'" %}
{% set has_an_eight -%}
    {% call(element) is_any_element(json_text(json, 'list')) -%}
        {{ try_cast(json_text(element, 'id'), 'bigint') }} = 8
    {%- endcall %}
{%- endset %}
{% set has_a_nine = has_an_eight | replace('= 8', '= 9') %}
{% set claims = {
    'a whole number': try_cast("'-12'", 'bigint') ~ ' = -12',
    'a fraction is no whole number': try_cast("'1.5'", 'bigint') ~ ' is null',
    'a whole number too large': try_cast("'9223372036854775808'", 'bigint') ~ ' is null',
    'blanks are no number': try_cast("' 1'", 'bigint') ~ ' is null',
    'a decimal': try_cast("'12.3450'", 'decimal(18, 4)') ~ ' = 12.345',
    'a decimal with an exponent': try_cast("'1e3'", 'decimal(18, 4)') ~ ' = 1000',
    'a decimal too large': try_cast("'1e300'", 'decimal(18, 4)') ~ ' is null',
    'not a number': try_cast("'NaN'", 'decimal(18, 4)') ~ ' is null',
    'a date': try_cast("'2024-12-30'", 'date') ~ ' = ' ~ monday,
    'a day that does not exist': try_cast("'2023-02-29'", 'date') ~ ' is null',
    'a date with junk': try_cast("'2024-12-30 junk'", 'date') ~ ' is null',
    'a moment in UTC': try_cast("'2025-03-29T23:30:00Z'", 'timestamptz') ~ ' = ' ~ moment,
    'a moment with an offset': try_cast("'2025-03-30T01:30:00+02:00'", 'timestamptz') ~ ' = ' ~ moment,
    'a moment without an offset is in UTC': try_cast("'2025-03-29 23:30:00'", 'timestamptz') ~ ' = ' ~ moment,
    'a word for a moment': try_cast("'now'", 'timestamptz') ~ ' is null',
    'seconds are cut off': seconds_between(moment, later) ~ ' = 5459',
    'seconds backwards': seconds_between(later, moment) ~ ' = -5460',
    'the day in Berlin': to_local_date(moment, "'Europe/Berlin'") ~ " = cast('2025-03-30' as date)",
    'the day in New York': to_local_date(later, "'America/New_York'") ~ " = cast('2025-03-29' as date)",
    'the hour in Berlin': to_local_hour(later, "'Europe/Berlin'") ~ ' = 3',
    'the host of an address': url_host("'https://WWW.Blog.example.com/post/1'") ~ " = 'blog.example.com'",
    'a host with www in its name': url_host("'mywww.example.com/post/1'") ~ " = 'mywww.example.com'",
    'Sunday': iso_day_of_week(sunday) ~ ' = 7',
    'Monday': iso_day_of_week(monday) ~ ' = 1',
    'the last week of a year': iso_week(sunday) ~ ' = 52',
    'the first week of a year': iso_week(monday) ~ ' = 1',
    'the year of a week': iso_year(monday) ~ ' = 2025',
    'an object': json_kind(json) ~ " = 'object'",
    'an array': json_kind("'[1]'") ~ " = 'array'",
    'no JSON': json_kind('texts.broken') ~ ' is null',
    'a nested text': json_text(json, 'a.b') ~ " = 'x y'",
    'a missing field': json_text(json, 'missing') ~ ' is null',
    'a field that is null': json_text(json, 'nothing') ~ ' is null',
    'the lines of an array': '(select sum(line_number) from (select 1 as one) as t cross join '
        ~ unnest_json_array(json_text(json, 'list')) ~ ') = 3',
    'an element of an array': has_an_eight,
    'no element of an array': 'not ' ~ has_a_nine,
    'a known time zone': "'Europe/Berlin' in (" ~ timezone_names() ~ ')',
    'an unknown time zone': "'Mars/Olympus' not in (" ~ timezone_names() ~ ')',
    'half a cent is rounded away from zero': divide_rounded('-15', '10') ~ ' = -2',
    'half of the last digit is rounded away from zero': quotient('cast(630.81 as decimal(18, 2))', '8') ~ ' = 78.8513',
    'a price in another currency is rounded once': in_currency(
        'cast(53.75 as decimal(18, 4))', 'cast(1.3134 as decimal(18, 8))', 'cast(1 as decimal(18, 8))'
    ) ~ ' = 70.5953',
    'a quotient of large decimals is rounded once': quotient(
        'cast(317766.499 as decimal(38, 10))', 'cast(10000 as decimal(38, 10))'
    ) ~ ' = 31.7766',
    'nothing to divide by': quotient('cast(1 as decimal(38, 10))', '0') ~ ' is null',
    'checksums of hashes tell sets of keys apart': '(select bit_xor(' ~ number_from_hash('one') ~ ') from (select 1 '
        ~ 'as one union all select 2) as t) <> (select bit_xor(' ~ number_from_hash('one') ~ ') from (select 4 as one '
        ~ 'union all select 7) as t)',
    'a block of keys begins at or below them, also below zero': 'cast(-1 as bigint) >> 10 = -1',
    'a time as text': text_of_time(later) ~ " = '2025-03-30 01:00:59.9+00'",
    'a ratio': quotient('2', '3', 6) ~ ' = 0.666667',
    'a plausible time': is_plausible_time(moment),
} %}
with

-- A column, because Postgres works out what is said of a literal before it asks whether that may be done.
texts as (select '{"a": ' as broken),

claims as (
    {%- for claim, holds in claims.items() %}
    select
        '{{ claim }}' as claim,
        {{ holds }} as holds
    from texts
    {{ 'union all' if not loop.last }}
    {%- endfor %}
)

select claim
from claims
where not coalesce(holds, false)
