{#
    The strategy `touched` on Spark, where each statement is a commit of its own. What changed is noted before the model
    itself changes: a build that ends in between is repeated, and finds and notes the same once more. Readers see one
    commit, be it a merge or, in a full build, the whole table; dbt-spark would drop that first.
#}
{% materialization incremental, adapter='spark' %}
    {%- if not is_incremental() -%}
        {%- do spark__note_full_build() -%}
        {{ return(materialization_table_spark()) }}
    {%- endif -%}
    {%- set differences = build_state(this.identifier ~ '__differences') -%}
    {%- set columns = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
    {%- set unique_key = config.require('unique_key') -%}
    {%- set keys = [unique_key] if unique_key is string else unique_key -%}
    {{ run_hooks(pre_hooks) }}
    {#- dbt wants to hear of one statement that it calls `main`. -#}
    {% call statement('main') %}
        {{ spark__differences_sql(differences, columns) }}
    {% endcall %}
    {%- if run_query('select 1 from ' ~ differences ~ ' limit 1').rows | length -%}
        {% call statement('changes') %}
            {{ note_differences(differences) }}
        {% endcall %}
        {% call statement('merge') %}
            {{ spark__merge_sql(differences, columns, keys) }}
        {% endcall %}
    {%- endif -%}
    {% call statement('tidy') %}
        drop table {{ differences }} purge
    {% endcall %}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [this]}) }}
{% endmaterialization %}

{# A table, for it is read once more after the model has changed: the rows that came or went. #}
{% macro spark__differences_sql(differences, columns) %}
    {%- set found = find_touched() -%}
    create or replace table {{ differences }} as
    select {{ columns | join(', ') }}, max(is_new) as is_new
    from (
        select {{ columns | join(', ') }}, false as is_new from {{ this }}
        {% if found %}where ({{ found.group(1) }}) in ({{ found.group(2) }}){% endif %}
        union all
        select {{ columns | join(', ') }}, true as is_new from (
            {{ compiled_code }}
        ) as come
    ) as both
    group by {{ columns | join(', ') }}
    having min(is_new) = max(is_new)
{% endmacro %}

{# Of a key that came and went, the row that came counts. #}
{% macro spark__merge_sql(differences, columns, keys) %}
    merge into {{ this }} as held
    using (
        select * from {{ differences }} where is_new
        union all
        select gone.* from {{ differences }} as gone
        left anti join (select * from {{ differences }} where is_new) as come
            on {% for key in keys %}gone.{{ key }} <=> come.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
        where not gone.is_new
    ) as incoming
    on {% for key in keys %}held.{{ key }} <=> incoming.{{ key }}{{ ' and ' if not loop.last }}{% endfor %}
    when matched and not incoming.is_new then delete
    when matched then update set
        {% for column in columns %}{{ column }} = incoming.{{ column }}{{ ', ' if not loop.last }}{% endfor %}
    when not matched then insert ({{ columns | join(', ') }})
        values (incoming.{{ columns | join(', incoming.') }})
{% endmacro %}
