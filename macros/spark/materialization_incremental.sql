{#
    The strategy `touched` on Spark, where each statement is a commit of its own. What changed is noted before the model
    itself changes: a build that ends in between is repeated, and finds and notes the same once more. Readers see one
    commit, be it a merge or, in a full build, the whole table; dbt-spark would drop that first. The touched keys and the
    differences of the last build stay in `build_state`: dropping them would cost a second each.
#}
{% materialization incremental, adapter='spark' %}
    {%- if not is_incremental() -%}
        {%- do spark__note_full_build() -%}
        {{ return(materialization_table_spark()) }}
    {%- endif -%}
    {{ run_hooks(pre_hooks) }}
    {%- set found = find_touched() -%}
    {%- set touched = build_state(this.identifier ~ '__touched') -%}
    {%- set rows = compiled_code -%}
    {%- if found -%}
        {#- A table, for Spark plans and computes a CTE anew wherever it is named. -#}
        {%- do run_query(
            'create or replace table ' ~ touched ~ ' as select distinct * from (' ~ found.group(2) ~ ') as touched'
        ) -%}
        {%- set rows = compiled_code.replace(found.group(2), 'select * from ' ~ touched) -%}
    {%- endif -%}
    {% call statement('main', fetch_result=True) %}
        select {{ 'count(*) from ' ~ touched if found else 1 }}
    {% endcall %}
    {%- if load_result('main').table.rows[0][0] > 0 -%}
        {%- do spark__merge_differences(rows, found.group(1) if found, touched) -%}
    {%- endif -%}
    {{ run_hooks(post_hooks) }}
    {{ return({'relations': [this]}) }}
{% endmaterialization %}

{# Brings the rows of the touched keys, or all rows where there is no key, up to date. #}
{% macro spark__merge_differences(rows, key, touched) %}
    {%- set differences = build_state(this.identifier ~ '__differences') -%}
    {%- set columns = adapter.get_columns_in_relation(this) | map(attribute='name') | list -%}
    {%- set unique_key = config.require('unique_key') -%}
    {%- set keys = [unique_key] if unique_key is string else unique_key -%}
    {%- set differences_sql -%}
        create or replace table {{ differences }} as
        {{ select_differences(
            columns | join(', '),
            this ~ (' where (' ~ key ~ ') in (select * from ' ~ touched ~ ')' if key else ''),
            '(' ~ rows ~ ') as come'
        ) }}
    {%- endset -%}
    {#- A table, for it is read once more after the model has changed. -#}
    {%- do run_query(differences_sql) -%}
    {%- if run_query('select 1 from ' ~ differences ~ ' limit 1').rows | length -%}
        {%- do run_query(note_differences(differences)) -%}
        {%- do run_query(spark__merge_sql(differences, columns, keys)) -%}
    {%- endif -%}
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
