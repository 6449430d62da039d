"""The warehouse that is filled: DuckDB, or the one that STOREHOUSE_TARGET names."""

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import duckdb
import pyarrow as pa
import pyarrow.csv
from dlt.common.destination import AnyDestination

from ingestion.destination import ExactDuckDB, ExactPostgres
from ingestion.errors import LOCKED, KindError
from ingestion.sources.copy import as_it_is, before_year_1, exact, nan_as_null, quote
from ingestion.sources.fill import SMALLINT, can_scan, native, types_of
from ingestion.sources.snapshot import Snapshot

# The form of a new file. What DuckDB would choose can be read by versions of years ago; in this one texts are smaller,
# and cheaper to write.
DUCKDB_STORAGE = "v1.3.0"
# Groups of rows that wait to be written: memory that is new to the process costs more than to write them one by one.
GROUPS_THAT_WAIT = 1


class Warehouse(Protocol):
    """What the pipeline needs of a warehouse. Tables are named `dataset.table`, parameters written `%s`."""

    destination: AnyDestination
    file_format: str
    pipelines_dir: Path

    def query(self, statement: str, *parameters: Any) -> list[tuple]:
        """The rows of a query."""

    def columns(self, table: str) -> dict[str, str]:
        """The columns of a table and their types; none if it is not there."""

    def rows_held(self, table: str) -> int:
        """How many rows a table has; none if it is not there."""

    def query_with(self, incoming: pa.Table, like: str, statement: str) -> list[tuple]:
        """The rows of a query that may read `incoming`, whose columns have the types of the table `like`."""

    def as_sent(self, rows: pa.Table) -> pa.Table:
        """The rows as the warehouse can read them."""

    def scans(self, snapshot: Snapshot) -> bool:
        """Whether the warehouse can read this Postgres by itself, in which case it will do so in this snapshot."""

    def copy_out(self, cursor: Any, query: str, schema: pa.Schema, sink: BinaryIO) -> None:
        """Write the rows of a query of Postgres into a file that this warehouse can load."""

    def look_up_by(self, table: str, keys: list[str]) -> None:
        """Make it cheap to find rows of a table by their keys, as soon as it is there."""

    def finish(self, table: str) -> None:
        """Do what a loaded table needs."""


def qualified(table: str) -> str:
    """The name `dataset.table` for SQL."""
    return ".".join(map(quote, table.split(".")))


class DuckDB:
    """The embedded default: one file."""

    file_format = "parquet"

    def __init__(self, connection: duckdb.DuckDBPyConnection, data_dir: Path) -> None:
        self.connection = connection
        self.pipelines_dir = data_dir / "dlt"
        # Without this capability dlt runs the statements of a merge one by one, and a kill in between loses rows.
        self.destination = ExactDuckDB(connection, destination_name="duckdb", supports_transactions=True)

    def query(self, statement: str, *parameters: Any) -> list[tuple]:
        """The rows of a query."""
        return self.connection.execute(statement.replace("%s", "?"), parameters).fetchall()

    def columns(self, table: str) -> dict[str, str]:
        """The columns of a table and their types; the information schema would go through those of all tables."""
        try:
            found = self.connection.table(qualified(table))
        except duckdb.CatalogException:
            return {}
        return dict(zip(found.columns, map(str, found.types), strict=True))

    def rows_held(self, table: str) -> int:
        """How many rows a table has; none if it is not there."""
        try:
            [(held,)] = self.query(f"select count(*) from {qualified(table)}")
        except duckdb.CatalogException:
            return 0
        return held

    def query_with(self, incoming: pa.Table, like: str, statement: str) -> list[tuple]:
        """The rows of a query that may read `incoming`."""
        with self.connection.cursor() as cursor:
            cursor.execute("set TimeZone = 'UTC'")
            cursor.register("incoming", incoming)
            return cursor.execute(statement).fetchall()

    def as_sent(self, rows: pa.Table) -> pa.Table:
        """As they are."""
        return rows

    def scans(self, snapshot: Snapshot) -> bool:
        """Whether there is an extension for this DuckDB that reaches this Postgres."""
        self.destination.snapshot = snapshot
        return can_scan(self.connection, snapshot.url)

    def copy_out(self, cursor: Any, query: str, schema: pa.Schema, sink: BinaryIO) -> None:
        """As CSV, all as it is. Quotes tell a text or float that reads NaN from a decimal, which becomes a null."""
        texts = [
            quote(field.name) for field in schema if pa.types.is_string(field.type) or pa.types.is_floating(field.type)
        ]
        quotes = f", force_quote ({', '.join(texts)})" if texts else ""
        rows = exact(query, schema, as_it_is, *before_year_1(schema))
        cursor.copy_expert(f"copy ({rows}) to stdout (format csv, header{quotes})", sink)

    def look_up_by(self, table: str, keys: list[str]) -> None:
        """Nothing: an index would slow the loads of a columnar warehouse down."""

    def finish(self, table: str) -> None:
        """Nothing."""


class Postgres:
    """A Postgres server, as the role that may load."""

    file_format = "csv"

    def __init__(self, connection: Any, url: str, data_dir: Path) -> None:
        self.connection = connection
        self.pipelines_dir = data_dir / "warehouses" / "postgres" / "dlt"
        self.destination = ExactPostgres(url, destination_name="postgres", create_indexes=False)

    def query(self, statement: str, *parameters: Any) -> list[tuple]:
        """The rows of a query."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def columns(self, table: str) -> dict[str, str]:
        """The columns of a table and their types."""
        return dict(
            self.query(
                "select column_name, data_type from information_schema.columns "
                "where table_schema = %s and table_name = %s",
                *table.split("."),
            )
        )

    def rows_held(self, table: str) -> int:
        """How many rows a table has; none if it is not there."""
        if not self.columns(table):
            return 0
        [(held,)] = self.query(f"select count(*) from {qualified(table)}")
        return held

    def query_with(self, incoming: pa.Table, like: str, statement: str) -> list[tuple]:
        """The rows of a query that may read `incoming`, a temporary table for as long as the query runs."""
        types = self.columns(like) | {"_row": "bigint"}
        columns = ", ".join(f'"{name}" {types.get(name, "text")}' for name in incoming.column_names)
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(f"create temporary table incoming ({columns}) on commit drop")
            stream = pa.BufferOutputStream()
            pyarrow.csv.write_csv(self.as_sent(incoming), stream, pyarrow.csv.WriteOptions(include_header=False))
            cursor.copy_expert("copy incoming from stdin with (format csv)", pa.BufferReader(stream.getvalue()))
            cursor.execute("analyze incoming")
            cursor.execute(statement)
            return cursor.fetchall()

    def as_sent(self, rows: pa.Table) -> pa.Table:
        """Times as texts: what Arrow writes for infinity or a year before 1, Postgres does not read."""
        times = [field.name for field in rows.schema if pa.types.is_temporal(field.type)]
        if not times or not rows.num_rows:
            return rows
        texts = ", ".join(
            rf"regexp_replace({quote(name)}::varchar, ' \(BC\)(.*)', '\1 BC') as {quote(name)}" for name in times
        )
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'; set threads = 1")
            written = connection.execute(f"select {texts} from rows").to_arrow_table()
        for name in times:
            rows = rows.set_column(rows.column_names.index(name), name, written[name])
        return rows

    def scans(self, snapshot: Snapshot) -> bool:
        """No: that takes an extension on the server."""
        return False

    def copy_out(self, cursor: Any, query: str, schema: pa.Schema, sink: BinaryIO) -> None:
        """As Postgres keeps them, after a line that tells the types: no value is written as text, and read again."""
        types = types_of(cursor, query)
        as_kept = native(types)

        def written(name: str, column: str, type_: pa.DataType) -> str:
            if pa.types.is_integer(type_):
                # What dlt makes of whole numbers.
                return f"{column}::{'integer' if types[name] == SMALLINT else 'bigint'}"
            return nan_as_null(name, as_kept(name, column, type_), type_)

        rows = exact(query, schema, written)
        sink.write(json.dumps(types_of(cursor, rows)).encode() + b"\n")
        cursor.copy_expert(f"copy ({rows}) to stdout (format binary)", sink)

    def look_up_by(self, table: str, keys: list[str]) -> None:
        """Make an index on the keys, without which each merge reads the table whole; a first load needs none."""
        if not self.columns(table):
            return
        columns, index = ", ".join(map(quote, keys)), quote(f"{table.split('.')[1]}_key")
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(f"create index if not exists {index} on {qualified(table)} ({columns})")

    def finish(self, table: str) -> None:
        """Let the planner know the table."""
        with self.connection, self.connection.cursor() as cursor:
            cursor.execute(f"analyze {qualified(table)}")


@contextmanager
def open_warehouse(data_dir: Path) -> Iterator[Warehouse]:
    """The warehouse of STOREHOUSE_TARGET, as long as it is needed."""
    target = os.environ.get("STOREHOUSE_TARGET", "dev")
    if target == "postgres":
        from warehouses import postgres

        with closing(postgres.connect("loader")) as connection:
            refuse_second_writer(connection)
            yield Postgres(connection, postgres.url("loader"), data_dir)
    elif target in ("dev", "ci"):
        with open_file(data_dir / "warehouse.duckdb") as connection:
            yield DuckDB(connection, data_dir)
    elif target == "spark":
        from warehouses import lake

        with open_file(lake.landing_file()) as connection:
            yield DuckDB(connection, lake.landing_file().parent)
    else:
        raise KindError(f"Nothing can be loaded into STOREHOUSE_TARGET={target}: it must be dev, postgres or spark.")


def open_file(path: Path) -> duckdb.DuckDBPyConnection:
    """A connection to a file of DuckDB, which is made where there is none."""
    config = {"storage_compatibility_version": DUCKDB_STORAGE, "write_buffer_row_group_count": GROUPS_THAT_WAIT}
    return duckdb.connect(path, config=config)


def deliver() -> None:
    """Bring complete loads to where dbt reads them, if that is elsewhere."""
    if os.environ.get("STOREHOUSE_TARGET") == "spark":
        from warehouses import lake

        lake.deliver()


def refuse_second_writer(connection: Any) -> None:
    """Hold the server's own lock as well: the file's lock does not reach other machines."""
    with connection, connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(hashtext('storehouse load'))")
        if not cursor.fetchone()[0]:
            raise KindError("Another load is writing to this Postgres warehouse. Wait until it is done.", LOCKED)
