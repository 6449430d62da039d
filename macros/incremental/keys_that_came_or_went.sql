{#-
    The keys by which this model and a table of the keys that exist disagree: rows deleted for good, and rows that are
    back. Asked only when the shop was loaded, for it looks at all keys: first at the checksums of blocks
    of 1024 keys, then at the keys of those blocks whose checksums differ.
-#}
{% macro keys_that_came_or_went(table_name, key_table_name, key) -%}
    {%- set keys = source('shop', key_table_name) -%}
    {%- set unequal -%}
        with
        {%- for name, relation in {'held': this, 'existing': keys}.items() %}
        {{ name }}_blocks as (
            select {{ key }} >> 10 as block, count(*) as key_count, bit_xor({{ number_from_hash(key) }}) as checksum
            from {{ relation }}
            where {{ has_new_loads(keys) }}
            group by {{ key }} >> 10
        ){{ ',' if not loop.last }}
        {%- endfor %}
        select unequal.block
        from (
            (select * from held_blocks except select * from existing_blocks)
            union all
            (select * from existing_blocks except select * from held_blocks)
        ) as unequal
    {%- endset -%}
    select come_or_gone.{{ key }}
    from (
        with
        -- All keys of those blocks: keys are found faster than what is computed from them.
        candidates as (
            select cast(unequal.block * 1024 + numbers.generated_number - 1 as bigint) as {{ key }}
            from ({{ keep_keys(unequal, model.alias ~ '__unequal') }}) as unequal
            cross join ({{ dbt.generate_series(1024) }}) as numbers
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

{#- A whole number that stands for the value of a whole number; `bit_xor` of them tells sets of values apart. -#}
{% macro number_from_hash(value) -%}
    {{ return(adapter.dispatch('number_from_hash', 'storehouse')(value)) }}
{%- endmacro %}

{% macro duckdb__number_from_hash(value) -%}
    hash({{ value }})
{%- endmacro %}

{% macro postgres__number_from_hash(value) -%}
    hashint8extended({{ value }}, 0)
{%- endmacro %}

{% macro spark__number_from_hash(value) -%}
    xxhash64({{ value }})
{%- endmacro %}
