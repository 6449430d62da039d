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
    {%- set touched = target_relation.identifier ~ '__touched' -%}
    {%- set held -%}
        select {{ columns }} from {{ target_relation }}
        {%- if found %}
        where ({{ found.group(1) }}) in (select * from {{ touched }})
        {%- endif %}
    {%- endset -%}
    {%- if found %}
    {#- A table of its own: a planner that does not know how few keys there are reads all of the model into memory. #}
    drop table if exists {{ touched }};
    create temporary table {{ touched }} as {{ found.group(2) }};
    {% endif %}
    drop table if exists {{ differences }};
    create temporary table {{ differences }} as
    select false as is_new, gone.* from (
        {{ held }}
        except
        select {{ columns }} from {{ arguments.temp_relation }}
    ) as gone
    union all
    select true as is_new, come.* from (
        select {{ columns }} from {{ arguments.temp_relation }}
        except
        {{ held }}
    ) as come;

    {{ note_differences(differences) }};

    delete from {{ target_relation }}
    where ({{ unique_key }}) in (select {{ unique_key }} from {{ differences }} where not is_new);

    insert into {{ target_relation }} ({{ columns }})
    select {{ columns }} from {{ differences }} where is_new;
{% endmacro %}

{# Where the compiled model has its `touched`: group 1 is the key, group 2 the query; none where all of it is compared. #}
{% macro find_touched() %}
    {{ return(modules.re.search(
        '/\* touched: (.*?) \*/\s*touched as \((.*)\),\s*/\* end of touched \*/', compiled_code, modules.re.DOTALL
    )) }}
{% endmacro %}

{# The statement that notes which values changed, for the models above, and that this build was an incremental one. #}
{% macro note_differences(differences) -%}
    insert into {{ build_state('changes') }}
    select '{{ model.name }}', changed.column_name, changed.column_value, {{ next_change_number() }}
    from (
        select '(incremental)' as column_name, '{{ invocation_id }}' as column_value
        {%- for column in config.get('meta', {}).get('feeds', []) %}
        union
        select '{{ column }}', cast({{ column }} as {{ dbt.type_string() }})
        from {{ differences }}
        where {{ column }} is not null
        {%- endfor %}
    ) as changed
{%- endmacro %}
