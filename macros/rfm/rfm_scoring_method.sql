{% macro rfm_scoring_method() -%}
    {%- set methods = ['quantile', 'ntile', 'fixed'] -%}
    {%- set method = var('rfm_scoring') -%}
    {%- if method not in methods -%}
        {{ exceptions.raise_compiler_error("var rfm_scoring is '" ~ method ~ "': it must be one of " ~ methods | join(', ')) }}
    {%- endif -%}
    {{ return(method) }}
{%- endmacro %}
