{# For `on-run-start`: creates the tables where they are missing, and numbers the loads that came since the last build. #}
{% macro prepare_build_state() %}
    {%- if not is_building() -%}
        {{ return('') }}
    {%- endif -%}
    {%- set tables = {
        'models': {'model_name': 'text', 'fingerprint': 'text', 'digested_number': 'bigint'},
        'changes': {'producer': 'text', 'column_name': 'text', 'column_value': 'text', 'change_number': 'bigint'},
        'loads': {'dataset': 'text', 'load_id': 'text', 'change_number': 'bigint'},
    } -%}
    {#- Looking for a table opens a transaction; creating the schema ends it, and what follows is kept. -#}
    {%- set loads_of_datasets = {} -%}
    {%- for dataset in graph.sources.values() | map(attribute='schema') | unique -%}
        {%- do loads_of_datasets.update({dataset: adapter.get_relation(target.database, dataset, '_dlt_loads')}) -%}
    {%- endfor -%}
    {%- do adapter.create_schema(build_state('models')) -%}
    {%- for table, columns in tables.items() -%}
        {%- set definitions = [] -%}
        {%- for column, type in columns.items() -%}
            {%- do definitions.append(column ~ ' ' ~ engine_type(type)) -%}
        {%- endfor -%}
        {%- do run_query(
            'create table if not exists ' ~ build_state(table) ~ ' (' ~ definitions | join(', ') ~ ')'
        ) -%}
    {%- endfor -%}
    {%- for dataset, dlt_loads in loads_of_datasets.items() if dlt_loads -%}
        {%- do number_loads(dataset, dlt_loads) -%}
    {%- endfor -%}
    {%- do begin_builds() -%}
{% endmacro %}

{# What an engine without transactions over several tables must do before the first model and after the last one. #}
{% macro begin_builds() %}
    {%- do adapter.dispatch('begin_builds', 'storehouse')() -%}
{% endmacro %}

{% macro default__begin_builds() %}
{% endmacro %}

{% macro end_builds() %}
    {%- do adapter.dispatch('end_builds', 'storehouse')() -%}
{% endmacro %}

{% macro default__end_builds() %}
{% endmacro %}

{% macro number_loads(dataset, dlt_loads) %}
    {%- set vanished -%}
        select count(*) from {{ build_state('loads') }}
        where dataset = '{{ dataset }}' and load_id not in (select load_id from {{ dlt_loads }})
    {%- endset -%}
    {#- Raw was loaded anew from nothing: rows may be gone that no load speaks of. -#}
    {%- if run_query(vanished).rows[0][0] > 0 -%}
        {%- do run_query(
            "insert into " ~ build_state('changes') ~ " select '" ~ dataset ~ "', '*', null, " ~ next_change_number()
        ) -%}
        {%- do run_query("delete from " ~ build_state('loads') ~ " where dataset = '" ~ dataset ~ "'") -%}
    {%- endif -%}
    {%- set news -%}
        insert into {{ build_state('loads') }}
        select distinct '{{ dataset }}', load_id, {{ next_change_number() }}
        from {{ dlt_loads }}
        where
            status = 0
            and load_id not in (
                select known.load_id from {{ build_state('loads') }} as known where known.dataset = '{{ dataset }}'
            )
    {%- endset -%}
    {%- do run_query(news) -%}
{% endmacro %}

{# For `on-run-end`: forgets the models that are gone, and the changes that every model has taken in. #}
{% macro tidy_build_state() %}
    {%- if not is_building() -%}
        {{ return('') }}
    {%- endif -%}
    {%- do end_builds() -%}
    {%- set names = graph.nodes.values() | map(attribute='name') | join("', '") -%}
    {%- do run_query("delete from " ~ build_state('models') ~ " where model_name not in ('" ~ names ~ "')") -%}
    {#- The changes are for incremental models, and for telling whether the tables that they read are up to date. -#}
    {%- set incremental = graph.nodes.values() | selectattr('config.materialized', 'eq', 'incremental') | list -%}
    {%- set readers = incremental | list -%}
    {%- for node in incremental -%}
        {%- do add_tables_read(node, readers) -%}
    {%- endfor -%}
    {%- set digested -%}
        delete from {{ build_state('changes') }}
        where
            change_number <= (
                select min(digested_number) from {{ build_state('models') }}
                where model_name in ('{{ readers | map(attribute='name') | join("', '") }}')
            )
    {%- endset -%}
    {%- do run_query(digested) -%}
{% endmacro %}
