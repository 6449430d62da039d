{#
    On Spark an incremental model is written whole, in one commit: its readers never find it gone, and its earlier
    states stay within reach of time travel. dbt-spark would drop the table first.
#}
{% materialization incremental, adapter='spark' %}
    {{ return(materialization_table_spark()) }}
{% endmaterialization %}
