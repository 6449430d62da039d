{#
    What the warehouse remembers about its own builds, in a schema of its own. Losing it loses nothing: the next build
    is a full one.
      models   the fingerprint of each model's last build, and the last change that it took in
      changes  which values of which columns changed in each incremental model; `*` stands for everything
      loads    every load of dlt, numbered as builds came to see it
    All numbers are of one sequence: what is numbered above `digested_number` is news to a model.
#}
{% macro build_state(table) -%}
    {{ return(api.Relation.create(database=target.database, schema='build_state', identifier=table)) }}
{%- endmacro %}

{% macro next_change_number() -%}
    {{ return(adapter.dispatch('next_change_number', 'storehouse')()) }}
{%- endmacro %}

{% macro default__next_change_number() -%}
    (
        select 1 + coalesce(max(numbers.number), 0)
        from (
            select max(change_number) as number from {{ build_state('changes') }}
            union all
            select max(change_number) from {{ build_state('loads') }}
            union all
            select max(digested_number) from {{ build_state('models') }}
        ) as numbers
    )
{%- endmacro %}

{% macro is_building() -%}
    {{ return(execute and flags.WHICH in ['build', 'run', 'seed', 'snapshot', 'retry']) }}
{%- endmacro %}
