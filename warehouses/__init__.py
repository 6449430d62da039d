"""Servers that can take DuckDB's place as the warehouse."""
