{#
    What an incremental build looks at again: a CTE `touched` with the keys that `caller` selects, which may be too many,
    never too few. A full build has none. The comments tell `get_incremental_touched_sql` where it stands; a model that
    gives all of its rows all the same is `is_whole`, and is compared as a whole.
#}
{% macro touched(key, is_whole=false) -%}
    {%- if not execute -%}
        {%- do caller() -%}
    {%- elif is_incremental() -%}
        {% if not is_whole -%} /* touched: {{ key if key is string else key | join(', ') }} */ {%- endif %}
        touched as (
        {{ caller() }}
        ),
        {% if not is_whole -%} /* end of touched */ {%- endif %}
    {%- endif -%}
{%- endmacro %}

{#-
    The condition for the rows that an incremental build looks at again; always true in a full one. The keys are columns
    of the same name in `touched`, or in another CTE, or the column that is named in full.
-#}
{% macro is_touched(key, keys='touched') -%}
    {%- if is_incremental() -%}
        {%- set columns = [key] if key is string else key -%}
        {%- set relation = keys.split('.') | first -%}
        ({{ columns | join(', ') }}) in (
            select
            {%- for column in columns %} {{ keys if '.' in keys else relation ~ '.' ~ (column.split('.') | last) }}
                {{- ',' if not loop.last }}
            {%- endfor %} from {{ relation }}
        )
    {%- else -%}
        true
    {%- endif -%}
{%- endmacro %}

{#- The keys of the raw rows that came with new loads. -#}
{% macro loaded(source_name, table_name, key) -%}
    {%- set raw = source(source_name, table_name) -%}
    select {{ key }} from {{ raw }} where {{ is_loaded(raw) }}
{%- endmacro %}

{#- The condition for the rows of a raw table that came with new loads. -#}
{% macro is_loaded(raw) -%}
    _dlt_load_id in (
        select loads.load_id from {{ build_state('loads') }} as loads
        where loads.dataset = '{{ raw.schema }}' and loads.change_number > {{ digested_number() }}
    )
{%- endmacro %}

{#- The values of a column in rows of another incremental model that came, went or changed since this one was built. -#}
{% macro changed(producer, column) -%}
    {%- do ref(producer) -%}
    {%- if execute -%}
        {%- set node = graph.nodes['model.' ~ model.package_name ~ '.' ~ producer] -%}
        {%- if column not in node.config.meta.get('feeds', []) or not node.columns[column].data_type -%}
            {{ exceptions.raise_compiler_error(
                model.name ~ " asks for the changes of " ~ producer ~ "." ~ column ~ ": list the column under"
                ~ " config.meta.feeds of " ~ producer ~ " and give it a data_type"
            ) }}
        {%- endif -%}
        select cast(changes.column_value as {{ engine_type(node.columns[column].data_type) }}) as {{ column }}
        from {{ build_state('changes') }} as changes
        where
            changes.producer = '{{ producer }}'
            and changes.column_name = '{{ column }}'
            and changes.change_number > {{ digested_number() }}
    {%- endif -%}
{%- endmacro %}

{#- The last change that this model has taken in. -#}
{% macro digested_number() -%}
    {{ return(adapter.dispatch('digested_number', 'storehouse')()) }}
{%- endmacro %}

{% macro default__digested_number() -%}
    (select models.digested_number from {{ build_state('models') }} as models where models.model_name = '{{ model.name }}')
{%- endmacro %}
