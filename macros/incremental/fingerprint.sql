{#
    Stands for all that decides what a model makes of given rows: its code, the macros and vars in it, its columns'
    types, and the fingerprints of its parents as they were built, not as they are written. Another fingerprint than that
    of the last build means a full one.
#}
{% macro fingerprint(node) %}
    {#- Kept from before the model is compiled: then dbt adds the macros that its incremental form alone calls. -#}
    {%- set fingerprints = fingerprints_of_this_run() -%}
    {%- if node.name not in fingerprints -%}
        {%- set parts = [] -%}
        {%- set parents = [] -%}
        {%- do add_fingerprint_parts(node, parts, parents) -%}
        {%- do parts.extend(recorded_fingerprints(parents)) -%}
        {%- do fingerprints.update({node.name: local_md5(parts | join('\n'))}) -%}
    {%- endif -%}
    {{ return(fingerprints[node.name]) }}
{% endmacro %}

{# Those of the models that it has built or is building. #}
{% macro fingerprints_of_this_run() %}
    {{ return(graph.setdefault('fingerprints of ' ~ invocation_id, {})) }}
{% endmacro %}

{# What is known of the last builds of some models: texts like `name=fingerprint`, in the order of their names. #}
{% macro recorded_fingerprints(names) %}
    {{ return(adapter.dispatch('recorded_fingerprints', 'storehouse')(names)) }}
{% endmacro %}

{% macro default__recorded_fingerprints(names) %}
    {%- set recorded -%}
        select model_name || '=' || fingerprint from {{ build_state('models') }}
        where model_name in ('{{ names | join("', '") }}')
        order by model_name
    {%- endset -%}
    {{ return(run_query(recorded).columns[0].values() | list) }}
{% endmacro %}

{% macro add_fingerprint_parts(node, parts, parents) %}
    {%- set texts = {'': node.raw_code or ''} -%}
    {%- do add_macro_texts(node.depends_on.macros, texts) -%}
    {%- for name, text in texts.items() -%}
        {%- do parts.append(text) -%}
        {%- for name in modules.re.findall("\\bvar\\(\\s*['\"](\\w+)['\"]", text) -%}
            {%- do parts.append(name ~ '=' ~ var(name, none)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- do parts.append(node.checksum.checksum ~ flags.EMPTY ~ flags.SAMPLE) -%}
    {%- for column in node.columns.values() -%}
        {%- do parts.append(column.name ~ ' ' ~ column.data_type) -%}
    {%- endfor -%}
    {%- for unique_id in node.depends_on.nodes if unique_id in graph.nodes -%}
        {%- set parent = graph.nodes[unique_id] -%}
        {%- if parent.config.materialized == 'ephemeral' -%}
            {%- do add_fingerprint_parts(parent, parts, parents) -%}
        {%- else -%}
            {%- do parents.append(parent.name) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}

{# Collects the text of macros and of those they call; dbt's own are left out, for they change with its version only. #}
{% macro add_macro_texts(unique_ids, texts) %}
    {%- for unique_id in unique_ids if unique_id not in texts -%}
        {%- set package, name = unique_id.split('.')[1:] -%}
        {%- if package in context and name in context[package] -%}
            {%- set found = context[package][name].macro -%}
            {%- do texts.update({unique_id: found.macro_sql}) -%}
            {%- do add_macro_texts(found.depends_on.macros, texts) -%}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}
