{#-
    The condition for a few rows of a large table. DuckDB reads every column of a table to find rows by a key; where their
    places are known it reads those alone, so it looks for the places first, in the columns of the condition. A model
    that passes rows on under other names passes their places on as `row_place()`.
-#}
{% macro found_in(relation, condition, place=none) -%}
    {{ return(adapter.dispatch('found_in', 'storehouse')(relation, condition, place)) }}
{%- endmacro %}

{% macro default__found_in(relation, condition, place) -%}
    {{ return(condition) }}
{%- endmacro %}

{% macro duckdb__found_in(relation, condition, place) -%}
    {%- set places -%}
        {{ place or 'rowid' }} in (select rowid from {{ relation }} where {{ condition }})
    {%- endset -%}
    {{ return(places if has_places() else condition) }}
{%- endmacro %}

{#-
    The same in two steps, for a table that is asked twice in one transaction: the statement that looks for the rows
    (places hold no longer than the transaction), and the condition for what it found.
-#}
{% macro find_once(relation, condition) -%}
    {{ return(adapter.dispatch('find_once', 'storehouse')(relation, condition)) }}
{%- endmacro %}

{% macro default__find_once(relation, condition) -%}
    {{ return({'statement': '', 'condition': condition}) }}
{%- endmacro %}

{% macro duckdb__find_once(relation, condition) -%}
    {%- set table = relation.identifier ~ '__found' -%}
    {%- set statement -%}
        drop table if exists {{ table }};
        create temporary table {{ table }} as select rowid as place from {{ relation }} where {{ condition }};
    {%- endset -%}
    {{ return({'statement': statement, 'condition': 'rowid in (select place from ' ~ table ~ ')'}) }}
{%- endmacro %}

{#- Where a row stands in its table, for `found_in`; null where nothing is found faster by that. -#}
{% macro row_place() -%}
    {{ return(adapter.dispatch('row_place', 'storehouse')()) }}
{%- endmacro %}

{% macro default__row_place() -%}
    cast(null as bigint)
{%- endmacro %}

{% macro duckdb__row_place() -%}
    {{ return('rowid' if has_places() else default__row_place()) }}
{%- endmacro %}

{#- Whether rows are read from tables; unit tests, `--empty` and `--sample` put queries in their place. -#}
{% macro has_places() -%}
    {{ return(model.resource_type != 'unit_test' and not flags.EMPTY and not flags.SAMPLE) }}
{%- endmacro %}
