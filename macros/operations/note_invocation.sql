{#
    Notes in the warehouse itself that a dbt command starts to change it, and how that ended. Publishing asks this
    table instead of files: it knows of a build that was killed, of a command run by hand, and of an older build in a
    warehouse that was restored from a backup.
#}
{% macro note_invocation(event) %}
    {%- if not execute or flags.WHICH not in ["build", "run", "seed", "snapshot", "retry", "clone"] -%}
        {{ return("") }}
    {%- endif -%}
    {%- if event == "started" -%}
        {%- do create_raw_ops() -%}
        {%- if target.type != "spark" -%}
            {%- do create_email_salt() -%}
        {%- endif -%}
    {%- endif -%}
    {%- set notes = api.Relation.create(target.database, "raw_ops", "dbt_invocations") -%}
    {%- set outcome = invocation_outcome() if event == "finished" else {"failed": "null", "left_out": "null"} -%}
    {%- set now = modules.datetime.datetime.now(modules.pytz.utc).isoformat() -%}
    {%- set values = [
        dbt.string_literal(invocation_id),
        dbt.string_literal(event),
        dbt.string_literal(flags.WHICH),
        dbt.string_literal(dbt_metadata_envs["RUN_ID"]) if "RUN_ID" in dbt_metadata_envs else "null",
        outcome.failed,
        outcome.left_out,
        dbt.cast(dbt.string_literal(now), engine_type("timestamptz")),
    ] -%}
    {%- do run_query("insert into " ~ notes ~ " values (" ~ values | join(", ") ~ ")") -%}
{% endmacro %}
