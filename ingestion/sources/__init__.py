"""One dlt source a module: `shop` (Postgres), `api` (REST), `files` (object storage)."""
