{#
    The incremental strategy `touched`: compares the rows of the touched keys with what the table holds for them, writes
    only what differs, and notes the values that changed for the models above. A model without `touched` is compared as a
    whole. Rows that are no more are deleted, so late, changed, moved and deleted rows are one case.
#}
{% macro get_incremental_touched_sql(arguments) %}
    {%- set target_relation = arguments.target_relation -%}
    {%- set columns = arguments.dest_columns | map(attribute='name') | join(', ') -%}
    {%- set unique_key = arguments.unique_key if arguments.unique_key is string else arguments.unique_key | join(', ') -%}
    {%- set differences = target_relation.identifier ~ '__differences' -%}
    {%- set found = find_touched() -%}
    {%- set among_touched = {'statement': '', 'condition': 'true'} -%}
    {%- if found -%}
        {%- set condition = '(' ~ found.group(1) ~ ') in (select * from ' ~ touched_table() ~ ')' -%}
        {%- set find = default__find_once if is_calendar(found.group(1)) else find_once -%}
        {%- set among_touched = find(target_relation, condition) -%}
    {%- endif -%}
    {%- set held = target_relation ~ ' where ' ~ among_touched.condition %}
    {{ among_touched.statement }}
    drop table if exists {{ differences }};
    create temporary table {{ differences }} as {{ select_differences(columns, held, arguments.temp_relation) }};

    {{ note_differences(differences) }};

    delete from {{ target_relation }}
    where
        {{ among_touched.condition }}
        and ({{ unique_key }}) in (select {{ unique_key }} from {{ differences }} where not is_new);

    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ differences }} where is_new;
{% endmacro %}

{# The rows that only one of two sides has, all of their columns the same: those held, and those computed anew. #}
{% macro select_differences(columns, held, come) %}
    select
        count(case when is_new then 1 end) > 0 as is_new,
        {{ columns }}
    from (
        select false as is_new, {{ columns }} from {{ held }}
        union all
        select true as is_new, {{ columns }} from {{ come }}
    ) as both_sides
    group by {{ columns }}
    having count(case when is_new then 1 end) = 0 or count(case when is_new then 1 end) = count(*)
{% endmacro %}

{# Where the compiled model has its `touched`: group 1 is the key, group 2 the query; none where all of it is compared. #}
{% macro find_touched() %}
    {{ return(modules.re.search(
        '/[*] touched: (.*?) [*]/\\s*touched as \\((.*)\\),\\s*/[*] end of touched [*]/', compiled_code, modules.re.DOTALL
    )) }}
{% endmacro %}

{#
    The statement that notes which values changed, for the models above, and that this build was an incremental one. What
    `feeds` lists is noted whatever changed in its row; of what stands in `feeds_when_changed`, only where one of the
    columns changed that are named there.
#}
{% macro note_differences(differences) -%}
    {%- set meta = config.get('meta', {}) -%}
    insert into {{ build_state('changes') }}
    select '{{ model.name }}', changed.column_name, changed.column_value, {{ next_change_number() }}
    from (
        select '(incremental)' as column_name, '{{ invocation_id }}' as column_value
        {%- for column in meta.get('feeds', []) %}
        {%- set deciding = meta.get('feeds_when_changed', {}).get(column) %}
        union
        select '{{ column }}', cast({{ column }} as {{ dbt.type_string() }})
        from {{ differences }}
        where {{ column }} is not null
        {%- if deciding %}
        group by {{ column }}, {{ deciding | join(', ') }}
        having count(case when is_new then 1 end) <> count(case when not is_new then 1 end)
        {%- endif %}
        {%- endfor %}
    ) as changed
{%- endmacro %}
