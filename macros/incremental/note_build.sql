{#
    A post-hook, in the transaction of the model: notes what was built and up to which change. A full build of an
    incremental model tells the models above that everything may have changed.
#}
{% macro note_build() %}
    {%- if is_building() -%}
        {%- do adapter.dispatch('note_build', 'storehouse')() -%}
    {%- endif -%}
{% endmacro %}

{% macro default__note_build() %}
    {%- if model.config.materialized == 'incremental' -%}
        {%- set full -%}
            insert into {{ build_state('changes') }}
            select '{{ model.name }}', '*', null, {{ next_change_number() }}
            where not exists (
                select 1 from {{ build_state('changes') }}
                where
                    producer = '{{ model.name }}'
                    and column_name = '(incremental)'
                    and column_value = '{{ invocation_id }}'
            )
        {%- endset -%}
        {%- do run_query(full) -%}
    {%- endif -%}
    {%- do run_query("delete from " ~ build_state('models') ~ " where model_name = '" ~ model.name ~ "'") -%}
    {%- if model.config.materialized != 'incremental' or not reads_stale_tables(model) -%}
        {%- set built -%}
            insert into {{ build_state('models') }}
            select '{{ model.name }}', '{{ fingerprint(model) }}', {{ next_change_number() }} - 1
        {%- endset -%}
        {%- do run_query(built) -%}
    {%- endif -%}
{% endmacro %}

{#
    Whether a model was built from a table that this run left out although something is new for it. No change will tell
    the model when that table is built: it has to be built in full the next time.
#}
{% macro reads_stale_tables(node) %}
    {%- set tables = [] -%}
    {%- set producers = [] -%}
    {%- do add_tables_read(node, tables) -%}
    {%- set left_out = tables | rejectattr('name', 'in', fingerprints_of_this_run()) | list -%}
    {%- if not left_out -%}
        {{ return(false) }}
    {%- endif -%}
    {%- for table in left_out -%}
        {%- do add_producers(table, producers) -%}
    {%- endfor -%}
    {%- set news -%}
        select count(*) as news
        from (
            select producer, change_number from {{ build_state('changes') }}
            where column_name <> '(incremental)' and {{ is_certain_change() }}
            union all
            select dataset, change_number from {{ build_state('loads') }}
        ) as numbered
        where
            producer in ('{{ producers | join("', '") }}')
            and change_number > {{ built_number(left_out | map(attribute='name') | list) }}
    {%- endset -%}
    {{ return(run_query(news).rows[0][0] > 0) }}
{% endmacro %}

{# The tables that a node reads, directly or through views. #}
{% macro add_tables_read(node, tables) %}
    {%- for unique_id in node.depends_on.nodes if unique_id in graph.nodes -%}
        {%- set parent = graph.nodes[unique_id] -%}
        {%- if parent.config.materialized in ['view', 'ephemeral'] -%}
            {%- do add_tables_read(parent, tables) -%}
        {%- elif parent.config.materialized in ['table', 'snapshot'] and parent not in tables -%}
            {%- do tables.append(parent) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}

{% macro is_certain_change() -%}
    {{ return(adapter.dispatch('is_certain_change', 'storehouse')()) }}
{%- endmacro %}

{% macro default__is_certain_change() -%}
    true
{%- endmacro %}

{# The last change that was there when all of these tables were built. #}
{% macro built_number(names) -%}
    {{ return(adapter.dispatch('built_number', 'storehouse')(names)) }}
{%- endmacro %}

{% macro default__built_number(names) -%}
    (
        select coalesce(min(coalesce(models.digested_number, 0)), 0) from {{ build_state('models') }} as models
        where models.model_name in ('{{ names | join("', '") }}')
    )
{%- endmacro %}
