{#
    For `on-run-start`: refuses a variable `as_of_date` that is no day, and one that nothing of this command reads while
    the tables stand on another day: numbers of that day would look like those that were asked for.
#}
{% macro check_as_of_date() %}
    {%- set as_of_date = var('as_of_date') | string if var('as_of_date') else '' -%}
    {%- if not execute or not as_of_date or flags.WHICH not in ['build', 'run'] -%}
        {{ return('') }}
    {%- endif -%}
    {%- if not modules.re.fullmatch('[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])', as_of_date) -%}
        {%- do exceptions.raise_compiler_error("as_of_date is '" ~ as_of_date ~ "': write a day as 2025-06-30.") -%}
    {%- endif -%}
    {%- set bounds = graph.nodes['model.storehouse.int_calendar_bounds_derived'] -%}
    {%- if bounds.unique_id in selected_resources or target.type == 'spark' -%}
        {{ return('') }}
    {%- endif -%}
    {%- set is_built = run_query(
        "select 1 from information_schema.tables where table_schema = '" ~ bounds.schema ~ "' and table_name = '"
        ~ bounds.alias ~ "'"
    ) -%}
    {%- set held = run_query('select as_of_date from ' ~ bounds.relation_name) if is_built else [] -%}
    {%- if held and held[0][0] | string != as_of_date -%}
        {%- do exceptions.raise_compiler_error(
            'as_of_date is ' ~ as_of_date ~ ', but the tables stand on ' ~ held[0][0] ~ ', and a part stays there. '
            'Build everything for the day (no --select), and once more without the variable to come back.'
        ) -%}
    {%- endif -%}
{% endmacro %}
