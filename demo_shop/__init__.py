"""A small but complete web shop to point the pipeline at: a PostgreSQL server, an HTTP API and files, all simulated."""
