"""Servers that can take DuckDB's place: a Postgres warehouse, and Spark with a lake of Iceberg tables."""
