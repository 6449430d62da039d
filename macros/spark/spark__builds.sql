{#
    Spark has no transaction in which a model and what is known of its build could change together. So a run takes back
    beforehand what it is about to make untrue, as if all of its models were built in full, keeps in mind what is true,
    and writes that down at its end. After a run that was killed, its models are built in full.
      number     that of all changes which this run makes
      recorded   what was known of the last build of each model
      rebuilt    the number of the last full build of each model or dataset
      built      what this run has built
      forgotten  what it may build
#}
{% macro spark__begin_builds() %}
    {%- set builds = {'number': run_query('select ' ~ next_change_number()).rows[0][0] | int} -%}
    {%- do builds.update({'recorded': {}, 'rebuilt': {}, 'built': {}, 'forgotten': []}) -%}
    {%- for row in run_query('select model_name, fingerprint, digested_number from ' ~ build_state('models')).rows -%}
        {%- do builds.recorded.update({row[0]: {'fingerprint': row[1], 'digested_number': row[2]}}) -%}
    {%- endfor -%}
    {%- set rebuilt -%}
        select producer, max(change_number) from {{ build_state('changes') }} where column_name = '*' group by producer
    {%- endset -%}
    {%- for row in run_query(rebuilt).rows -%}
        {%- do builds.rebuilt.update({row[0]: row[1] | int}) -%}
    {%- endfor -%}
    {%- do graph.update({'builds of ' ~ invocation_id: builds}) -%}
    {%- set incremental = [] -%}
    {#- `dbt retry` does not say what it selects. -#}
    {%- for unique_id in selected_resources or graph.nodes if unique_id.split('.')[0] in ['model', 'seed', 'snapshot'] -%}
        {%- set node = graph.nodes[unique_id] -%}
        {%- do builds.forgotten.append(node.name) -%}
        {%- if node.config.materialized == 'incremental' -%}
            {%- do incremental.append(node.name) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if incremental -%}
        {%- do run_query(
            "insert into " ~ build_state('changes') ~ " select name, '*', null, " ~ builds.number
            ~ " from explode(array('" ~ incremental | join("', '") ~ "')) as selected (name)"
        ) -%}
    {%- endif -%}
    {%- do run_query(
        "delete from " ~ build_state('models') ~ " where model_name in ('" ~ builds.forgotten | join("', '") ~ "')"
    ) -%}
{% endmacro %}

{% macro spark__builds() -%}
    {{ return(graph.get('builds of ' ~ invocation_id)) }}
{%- endmacro %}

{% macro spark__next_change_number() -%}
    {{ return(spark__builds().number if spark__builds() else default__next_change_number()) }}
{%- endmacro %}

{% macro spark__recorded_fingerprints(names) %}
    {%- set fingerprints = [] -%}
    {%- for name in names | sort -%}
        {%- set known = spark__builds().built.get(name) or spark__builds().recorded.get(name) -%}
        {%- if known -%}
            {%- do fingerprints.append(name ~ '=' ~ known.fingerprint) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(fingerprints) }}
{% endmacro %}

{% macro spark__can_be_continued() %}
    {#- Only a run that changes models knows of the last ones. -#}
    {%- set recorded = (spark__builds() or {'recorded': {}}).recorded.get(model.name) -%}
    {%- if not recorded or recorded.digested_number is none or env_var('STOREHOUSE_LAKE_BUILDS', 'changes') == 'full' -%}
        {{ return(false) }}
    {%- endif -%}
    {%- set producers = [] -%}
    {%- do add_producers(model, producers) -%}
    {%- for producer in producers if spark__builds().rebuilt.get(producer, 0) > recorded.digested_number -%}
        {{ return(false) }}
    {%- endfor -%}
    {{ return(recorded.fingerprint == fingerprint(model)) }}
{% endmacro %}

{% macro spark__digested_number() -%}
    {{ return(spark__builds().recorded[model.name].digested_number | int if execute) }}
{%- endmacro %}

{% macro spark__note_full_build() %}
    {%- do spark__builds().rebuilt.update({model.name: spark__builds().number}) -%}
{% endmacro %}

{% macro spark__note_build() %}
    {%- if model.config.materialized == 'incremental' and reads_stale_tables(model) -%}
        {%- do spark__note_full_build() -%}
    {%- else -%}
        {%- do spark__builds().built.update({model.name: {
            'fingerprint': fingerprint(model), 'digested_number': spark__builds().number
        }}) -%}
    {%- endif -%}
{% endmacro %}

{# What is not built is what it was, unless a full build of it began. #}
{% macro spark__end_builds() %}
    {%- set builds = spark__builds() -%}
    {%- set failed = results | selectattr('status', 'in', ['error', 'partial success']) | map(attribute='node.name') | list -%}
    {%- set known = [] -%}
    {%- set not_rebuilt = [] -%}
    {%- for name in builds.forgotten -%}
        {%- set is_rebuilt = builds.rebuilt.get(name) == builds.number -%}
        {%- set recorded = builds.recorded.get(name) if name not in failed and not is_rebuilt -%}
        {%- set row = builds.built.get(name) or recorded -%}
        {%- if row -%}
            {%- set digested = 'null' if row.digested_number is none else row.digested_number -%}
            {%- do known.append("('" ~ name ~ "', '" ~ row.fingerprint ~ "', " ~ digested ~ ")") -%}
            {%- if not is_rebuilt -%}
                {%- do not_rebuilt.append(name) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- do run_query(
        "delete from " ~ build_state('changes') ~ " where column_name = '*' and change_number = " ~ builds.number
        ~ " and producer in ('" ~ not_rebuilt | join("', '") ~ "')"
    ) -%}
    {%- if known -%}
        {%- do run_query("insert into " ~ build_state('models') ~ " values " ~ known | join(', ')) -%}
    {%- endif -%}
{% endmacro %}

{# Not those that this run noted beforehand. #}
{% macro spark__is_certain_change() -%}
    {%- set builds = spark__builds() -%}
    {%- set rebuilt = builds.rebuilt.items() | selectattr('1', 'eq', builds.number) | map(attribute='0') -%}
    (
        column_name <> '*' or change_number <> {{ builds.number }} or producer in ('{{ rebuilt | join("', '") }}')
    )
{%- endmacro %}

{% macro spark__built_number(names) -%}
    {%- set numbers = [] -%}
    {%- for name in names -%}
        {%- do numbers.append((spark__builds().recorded.get(name) or {}).get('digested_number') or 0) -%}
    {%- endfor -%}
    {{ return(numbers | map('int') | min) }}
{%- endmacro %}
