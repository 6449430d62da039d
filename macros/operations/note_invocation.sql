{#
    Notes in the warehouse itself that a dbt command starts to change it, and how that ended. Publishing asks this
    table instead of files: it knows of a build that was killed, of a command run by hand, and of an older build in a
    warehouse that was restored from a backup.
#}
{% macro note_invocation(event) %}
    {%- if not execute or flags.WHICH not in ["build", "run", "seed", "snapshot", "retry", "clone"] -%}
        {{ return("") }}
    {%- endif -%}
    {%- set notes = api.Relation.create(database=target.database, schema="raw_ops", identifier="dbt_invocations") -%}
    {%- if event == "started" -%}
        {%- do adapter.create_schema(notes) -%}
        {%- do run_query(
            "create table if not exists " ~ notes ~ " ("
            ~ "invocation_id {0}, event {0}, command {0}, run_id {0}, ".format(dbt.type_string())
            ~ "nodes_failed {0}, nodes_left_out {0}, noted_at {1})".format(dbt.type_int(), dbt.type_timestamp())
        ) -%}
    {%- endif -%}
    {%- set outcome = invocation_outcome() if event == "finished" else {"failed": "null", "left_out": "null"} -%}
    {%- set values = [
        dbt.string_literal(invocation_id),
        dbt.string_literal(event),
        dbt.string_literal(flags.WHICH),
        dbt.string_literal(dbt_metadata_envs["RUN_ID"]) if "RUN_ID" in dbt_metadata_envs else "null",
        outcome.failed,
        outcome.left_out,
        dbt.cast(dbt.string_literal(modules.datetime.datetime.now(modules.pytz.utc).isoformat()), dbt.type_timestamp()),
    ] -%}
    {%- do run_query("insert into " ~ notes ~ " values (" ~ values | join(", ") ~ ")") -%}
{% endmacro %}
