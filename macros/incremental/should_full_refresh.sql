{#
    In place of dbt's own: an incremental model is also rebuilt in full when it is not what the last build left (its
    code, a var, a seed or a parent's code changed), or when one of its inputs was rebuilt in full.
#}
{% macro should_full_refresh() %}
    {%- set asked = config.get('full_refresh') -%}
    {%- set asked = flags.FULL_REFRESH if asked is none else asked -%}
    {%- if not execute or asked or model.config.materialized != 'incremental' -%}
        {{ return(asked) }}
    {%- endif -%}
    {#- dbt asks many times for each model: the answer is kept for as long as its context lives. -#}
    {%- if 'storehouse_full_refresh' not in context -%}
        {%- do context.update({'storehouse_full_refresh': not can_be_continued()}) -%}
    {%- endif -%}
    {{ return(context['storehouse_full_refresh']) }}
{% endmacro %}

{% macro can_be_continued() %}
    {{ return(adapter.dispatch('can_be_continued', 'storehouse')()) }}
{% endmacro %}

{% macro default__can_be_continued() %}
    {%- if adapter.get_relation(target.database, 'build_state', 'models') is none -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set producers = [] -%}
    {%- do add_producers(model, producers) -%}
    {%- set rebuilt -%}
        select
            models.fingerprint,
            (
                select count(*) from {{ build_state('changes') }} as changes
                where
                    changes.producer in ('{{ producers | join("', '") }}')
                    and changes.column_name = '*'
                    and changes.change_number > models.digested_number
            ) as rebuilt_inputs
        from {{ build_state('models') }} as models
        where models.model_name = '{{ model.name }}'
    {%- endset -%}
    {%- set rows = run_query(rebuilt).rows -%}
    {{ return(rows | length == 1 and rows[0][1] == 0 and rows[0][0] == fingerprint(model)) }}
{% endmacro %}

{# The names of the nodes and datasets that a node reads, directly or through others. #}
{% macro add_producers(node, producers) %}
    {%- for unique_id in node.depends_on.nodes -%}
        {%- set parent = graph.nodes.get(unique_id) or graph.sources[unique_id] -%}
        {%- set name = parent.schema if parent.resource_type == 'source' else parent.name -%}
        {%- if name not in producers -%}
            {%- do producers.append(name) -%}
            {%- if parent.resource_type != 'source' -%}
                {%- do add_producers(parent, producers) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}
