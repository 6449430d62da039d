"""Moves a shop from DuckDB to a server: everything as loaded, dlt's state, and the snapshots, which nobody can rebuild.

The rest is built anew there. The next load goes on where the last one into DuckDB ended, and every version of a
customer or a product that a snapshot saw stays what it was.
"""

import shutil
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from ingestion.errors import KindError
from warehouses import lake, postgres, spark
from warehouses.settings import data_dir, folder

SNAPSHOTS = "snapshots"
POSTGRES_TYPES = {"DOUBLE": "double precision", "TIMESTAMP WITH TIME ZONE": "timestamptz"}


def carry(target: str) -> None:
    """Carry the DuckDB warehouse to a server that holds nothing yet."""
    source = data_dir() / "warehouse.duckdb"
    if not source.exists():
        raise KindError(f"There is no DuckDB warehouse at {source} to carry anywhere.")
    with duckdb.connect(source, read_only=True) as connection, TemporaryDirectory(dir=folder(target)) as scratch:
        connection.execute("set TimeZone = 'UTC'")
        tables = connection.execute(
            "select schema_name, table_name from duckdb_tables() where schema_name = ? "
            "or starts_with(schema_name, 'raw_') and not ends_with(schema_name, '_staging') order by all",
            [SNAPSHOTS],
        ).fetchall()
        CARRIERS[target](connection, tables, Path(scratch))
    print(f"Carried {len(tables)} tables from {source.name} to {target}. Next: make ingest build TARGET={target}")


def to_postgres(connection: duckdb.DuckDBPyConnection, tables: list[tuple[str, str]], scratch: Path) -> None:
    """Copy the tables, all of them or none for each role, as the role that owns such tables."""
    owned = {
        "loader": [table for table in tables if table[0] != SNAPSHOTS],
        "transformer": [table for table in tables if table[0] == SNAPSHOTS],
    }
    for role, chosen in owned.items():
        with closing(postgres.connect(role)) as session, session, session.cursor() as cursor:
            for schema, table in chosen:
                cursor.execute("select 1 from pg_tables where schemaname = %s and tablename = %s", [schema, table])
                if cursor.fetchone():
                    raise KindError(f"Postgres has a table {schema}.{table} already: nothing was carried over it.")
                columns = connection.execute(f'describe {schema}."{table}"').fetchall()
                definition = ", ".join(f'"{name}" {POSTGRES_TYPES.get(type_, type_)}' for name, type_, *_ in columns)
                file = scratch / "rows.csv"
                connection.execute(f"copy {schema}.\"{table}\" to '{file}' (header false, force_quote *, nullstr '')")
                cursor.execute(f"create schema if not exists {schema}")
                cursor.execute(f'create table {schema}."{table}" ({definition})')
                with file.open("rb") as stream:
                    cursor.copy_expert(f'copy {schema}."{table}" from stdin with (format csv)', stream)
                cursor.execute(f'analyze {schema}."{table}"')


def to_spark(connection: duckdb.DuckDBPyConnection, tables: list[tuple[str, str]], scratch: Path) -> None:
    """Give Spark a landing file with everything as loaded, and bring it and the snapshots into the lake."""
    landing = lake.landing_file()
    if landing.exists():
        raise KindError(f"Something was loaded for Spark already ({landing}): nothing was carried over it.")
    candidate = scratch / landing.name
    shutil.copyfile(data_dir() / "warehouse.duckdb", candidate)
    with duckdb.connect(candidate) as copy:
        kept = {schema for schema, _ in tables if schema != SNAPSHOTS}
        for (schema,) in copy.execute("select schema_name from duckdb_schemas() where not internal").fetchall():
            if schema not in kept and schema != "main":
                copy.execute(f'drop schema "{schema}" cascade')
    with spark.session() as session:
        for schema, table in tables:
            # What dbt wrote, and no load will bring.
            if schema == SNAPSHOTS or (schema, table) == ("raw_ops", "dbt_invocations"):
                session.sql(f"create namespace if not exists {schema}")
                file = scratch / f"{table}.parquet"
                connection.execute(f"copy {schema}.\"{table}\" to '{file}' (format parquet)")
                session.read.parquet(str(file)).writeTo(f"{schema}.{table}").createOrReplace()
    # Last, because it says that Spark has been loaded.
    candidate.replace(landing)
    lake.deliver()


CARRIERS = {"postgres": to_postgres, "spark": to_spark}
