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
    {%- set digested = next_change_number() ~ ' - 1' if model.config.materialized == 'incremental' else 'null' -%}
    {%- set built -%}
        insert into {{ build_state('models') }}
        select '{{ model.name }}', '{{ fingerprint(model) }}', {{ digested }}
    {%- endset -%}
    {%- do run_query(built) -%}
{% endmacro %}
