{#
    How many nodes of this invocation failed, and how many of the project had no part in it. Only for `on-run-end`,
    where dbt provides `results`. An empty or sampled build leaves out everything: its tables are not the real ones.
#}
{% macro invocation_outcome() %}
    {%- set seen = results | map(attribute="node.unique_id") | list -%}
    {%- set left_out = [] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ["model", "seed", "snapshot", "test"] -%}
        {%- if node.config.materialized != "ephemeral" and (node.unique_id not in seen or flags.EMPTY or flags.SAMPLE) -%}
            {%- do left_out.append(node.unique_id) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- set bad = ["error", "fail", "runtime error", "skipped", "partial success"] -%}
    {%- set failed = results | map(attribute="status") | map("string") | select("in", bad) | list -%}
    {{ return({"failed": failed | length, "left_out": left_out | length}) }}
{% endmacro %}
