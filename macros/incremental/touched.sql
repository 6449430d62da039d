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
        {{ keep_keys(caller()) }}
        ),
        {% if not is_whole -%} /* end of touched */ {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{#
    While a model is built, its touched keys are a temporary table: a planner that does not know how few there are reads
    all of the model's inputs into memory. Returns the query for them. Other keys that help to find them can be kept in
    a table of their own.
#}
{% macro keep_keys(keys, table=none) -%}
    {{ return(adapter.dispatch('keep_keys', 'storehouse')(keys, table or touched_table()) if is_building() else keys) }}
{%- endmacro %}

{% macro default__keep_keys(keys, table) -%}
    {%- do run_query('drop table if exists ' ~ table) -%}
    {%- do run_query('create temporary table ' ~ table ~ ' as select distinct * from (' ~ keys ~ ') as touched') -%}
    {%- do run_query('analyze ' ~ table) -%}
    {{ return('select * from ' ~ table) }}
{%- endmacro %}

{#- Spark has no temporary tables: its own materialization keeps the keys. -#}
{% macro spark__keep_keys(keys, table) -%}
    {{ return(keys) }}
{%- endmacro %}

{% macro touched_table() -%}
    {{ return(model.alias ~ '__touched') }}
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

{#- To select from: the rows of a table that an incremental build looks at again, all of them in a full one. -#}
{% macro touched_rows(relation, key, keys='touched') -%}
    {%- if is_incremental() -%}
        (
            select * from {{ relation }}
            {#- What belongs to an order lies together too, as far as its number grows with time. -#}
            {%- set find = default__found_in if is_calendar(key) or key == 'order_id' else found_in %}
            where {{ find(relation, is_touched(key, keys)) }}
        ) as touched_rows
    {%- else -%}
        {{ relation }}
    {%- endif -%}
{%- endmacro %}

{#-
    Whether a key is a day or a month, or has one: those rows lie together, and are found as fast without their places.
-#}
{% macro is_calendar(key) -%}
    {{ return(modules.re.search('_(date|day)\\b', key | string) is not none) }}
{%- endmacro %}

{#- The same as a condition, for rows of raw that have been judged and carry their `row_place()`. -#}
{% macro is_touched_in_raw(source_name, table_name, key) -%}
    {{ found_in(source(source_name, table_name), is_touched(key), 'row_place') if is_incremental() else 'true' }}
{%- endmacro %}

{#-
    The keys of the raw rows that came with new loads. A table of which no row is older came anew as a whole and may lack
    rows that were there before: then also all keys that the model holds, or those of which `held` is true.
-#}
{% macro loaded(source_name, table_name, key, held_key=none, held='true') -%}
    {%- set raw = source(source_name, table_name) -%}
    select {{ key }} from {{ raw }} where {{ is_loaded(raw) }}
    union all
    select {{ held_key or key }} from {{ this }}
    where
        {{ has_new_loads(raw) }}
        and not exists (select 1 from {{ raw }} where not ({{ is_loaded(raw) }}))
        and {{ held }}
{%- endmacro %}

{#- The condition for the rows of a raw table that came with new loads. -#}
{% macro is_loaded(raw) -%}
    _dlt_load_id in ({{ new_loads(raw) }})
{%- endmacro %}

{#- Whether anything was loaded into the dataset of a raw table since the model was built. -#}
{% macro has_new_loads(raw) -%}
    exists ({{ new_loads(raw) }})
{%- endmacro %}

{#- The loads into the dataset of a raw table that the model has not seen. -#}
{% macro new_loads(raw) -%}
    select loads.load_id from {{ build_state('loads') }} as loads
    where loads.dataset = '{{ raw.schema }}' and loads.change_number > {{ digested_number() }}
{%- endmacro %}

{#- The values of a column in rows of another incremental model that came, went or changed since this one was built. -#}
{% macro changed(producer, column) -%}
    {%- do ref(producer) -%}
    {%- if execute and is_incremental() -%}
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
