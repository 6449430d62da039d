{#-
    The keys by which this model and a table of the keys that exist disagree: rows deleted for good, and rows that are
    back. Asked only when the table of keys was loaded anew, for it looks at all of them: first at the sums of each
    thousand, then at the keys of those thousands whose sums differ.
-#}
{% macro keys_that_came_or_went(table_name, key_table_name, key) -%}
    {%- set keys = source('shop', key_table_name) -%}
    {%- set thousand = key ~ ' - mod(' ~ key ~ ', 1000)' -%}
    {%- set unequal -%}
        with
        {%- for name, relation in {'held': this, 'existing': keys}.items() %}
        {{ name }}_sums as (
            select {{ thousand }} as thousand, count(*) as key_count, sum({{ number_from_hash(key) }}) as key_sum
            from {{ relation }}
            where exists (select 1 from {{ keys }} where {{ is_loaded(keys) }})
            group by {{ thousand }}
        ){{ ',' if not loop.last }}
        {%- endfor %}
        select unequal.thousand
        from (
            (select * from held_sums except select * from existing_sums)
            union all
            (select * from existing_sums except select * from held_sums)
        ) as unequal
    {%- endset -%}
    select come_or_gone.{{ key }}
    from (
        with
        -- All keys of those thousands, on either side of zero: keys are found faster than what is computed from them.
        candidates as (
            select unequal.thousand - 1000 + numbers.generated_number as {{ key }}
            from ({{ keep_keys(unequal, model.alias ~ '__unequal') }}) as unequal
            cross join ({{ dbt.generate_series(1999) }}) as numbers
        ),
        {%- for name, relation in {
            'held': this, 'existing': keys, 'received': source('shop', table_name)
        }.items() %}
        {{ name }} as (
            select {{ key }} from {{ relation }} where {{ key }} in (select candidates.{{ key }} from candidates)
        ){{ ',' if not loop.last }}
        {%- endfor %}
        select {{ key }} from held where {{ key }} not in (select existing.{{ key }} from existing)
        union all
        select {{ key }} from received
        where
            {{ key }} in (select existing.{{ key }} from existing)
            and {{ key }} not in (select held.{{ key }} from held)
    ) as come_or_gone
{%- endmacro %}

{#- A whole number that stands for the value of a whole number, and whose sums tell sets of values apart. -#}
{% macro number_from_hash(value) -%}
    {{ return(adapter.dispatch('number_from_hash', 'storehouse')(value)) }}
{%- endmacro %}

{% macro duckdb__number_from_hash(value) -%}
    hash({{ value }})
{%- endmacro %}

{% macro postgres__number_from_hash(value) -%}
    cast(hashint8extended({{ value }}, 0) as numeric)
{%- endmacro %}

{% macro spark__number_from_hash(value) -%}
    cast(xxhash64({{ value }}) as decimal(38, 0))
{%- endmacro %}
