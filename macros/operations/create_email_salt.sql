{#
    Makes the secret that e-mail addresses are hashed with, in a warehouse that no load of ours has made one in. The
    warehouse itself draws it: it never stands in a statement, a log or an artifact.
#}
{% macro create_email_salt() %}
    {%- set found = run_query(
        "select 1 from information_schema.tables where table_schema = 'raw_secrets' and table_name = 'email_salt'"
    ) -%}
    {%- if found | length == 0 -%}
        {%- do run_query(as_loader("create schema if not exists raw_secrets")) -%}
        {%- do run_query(
            as_loader("create table raw_secrets.email_salt as select cast(gen_random_uuid() as text) as salt")
        ) -%}
    {%- endif -%}
{% endmacro %}
