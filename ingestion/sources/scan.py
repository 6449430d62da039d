"""Reads Postgres by DuckDB's own scanner, which takes values over in binary form: the cheapest way there is.

It serves what `copy.py` serves, with the same rows in the same types, in the same snapshot, for reads that are worth
loading the extension. Where the one of this very DuckDB is not installed, COPY reads them too.
"""

from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dlt
import duckdb
import pyarrow as pa
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.sources.sql_database import BaseTableLoader
from psycopg2.extensions import make_dsn, parse_dsn
from sqlalchemy import Connection

from ingestion.errors import KindError, first_line, reading_failed
from ingestion.sources.copy import (
    BLOCK_BYTES,
    GROUP_ROWS,
    arrow_schema,
    copy_to_arrow,
    exact,
    literal,
    with_unreadable,
)

CHUNK_ROWS = 2048  # what DuckDB hands over at once: few, for rows may be large
# Types of Postgres, by their numbers.
TEXTS = (25, 1043)  # text, varchar
BLANK_PADDED, REAL = 1042, 700


def read_rows(connection: Connection, query: str, columns: TTableSchemaColumns) -> Iterator[pa.Table]:
    """Run a query and yield its rows as Arrow tables: by the scanner when there are many, by COPY otherwise."""
    from_rows = dlt.config["sources.shop.scan_from_rows"]
    if from_rows is not None and rows_expected(connection, query) >= from_rows:
        url = connection.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        if duck := scanner(url):
            return scan_to_arrow(duck, connection, query, columns)
    return copy_to_arrow(connection, query, columns)


def rows_expected(connection: Connection, query: str) -> int:
    """How many rows the planner of Postgres expects."""
    with connection.connection.driver_connection.cursor() as cursor:
        cursor.execute(f"explain (format json) {query}")
        [(plan,)] = cursor.fetchall()
    return plan[0]["Plan"]["Plan Rows"]


def extension() -> Path:
    """Where the scanner for this very DuckDB is, if it is installed."""
    package = find_spec("duckdb_extension_postgres_scanner")
    folder = Path(package.origin).parent if package else Path("duckdb_extension_postgres_scanner")
    return folder / "extensions" / f"v{duckdb.__version__}" / "postgres_scanner.duckdb_extension"


@cache
def scanner(url: str) -> duckdb.DuckDBPyConnection | None:
    """A DuckDB in memory that knows the database behind a URL as `shop`; none where it cannot, which is said once."""
    options = parse_dsn(url)
    password = options.pop("password", "")
    duck = duckdb.connect()
    try:
        duck.execute(f"load {literal(str(extension()))}")
        # DuckDB's messages show what it connects with, so the password goes another way.
        duck.execute(f"create temporary secret (type postgres, password {literal(password)})")
        duck.execute(f"attach {literal(make_dsn(**options))} as shop (type postgres, read_only)")
    except duckdb.Error as error:
        print(f"shop: reading by COPY, for DuckDB's scanner of Postgres cannot be used: {first_line(error)}")
        return None
    return duck


def scan_to_arrow(
    scanner: duckdb.DuckDBPyConnection, connection: Connection, query: str, columns: TTableSchemaColumns
) -> Iterator[pa.Table]:
    """Run a query in the snapshot of a connection and yield its rows as Arrow tables, at least one."""
    schema = with_unreadable(arrow_schema(columns))
    with connection.connection.driver_connection.cursor() as cursor:
        cursor.execute(f"select * from ({query}) as source_rows limit 0")
        types = {column.name: column.type_code for column in cursor.description}
        cursor.execute("select pg_export_snapshot()")
        [(snapshot,)] = cursor.fetchall()

    def written(name: str, column: str, type_: pa.DataType) -> str:
        if pa.types.is_decimal(type_):
            return f"nullif({column}, 'NaN')::numeric({type_.precision}, {type_.scale})"
        if types[name] == BLANK_PADDED:
            # A cast would take the blanks away.
            return f"case when {column} is not null then concat({column}) end"
        if pa.types.is_string(type_) and types[name] not in TEXTS:
            return f"{column}::text"
        # In text as in COPY, where 0.1 stays 0.1.
        return f"{column}::text::double precision" if types[name] == REAL else column

    statement = exact(query, schema, written)
    with scanner.cursor() as duck:
        duck.execute("set TimeZone = 'UTC'")
        duck.begin()
        try:
            for setting in (f"transaction snapshot '{snapshot}'", "local timezone = 'UTC'", "local datestyle = 'ISO'"):
                duck.execute(f"call postgres_execute('shop', {literal('set ' + setting)})")
            found = duck.execute(f"from postgres_query('shop', {literal(statement)})")
            some: list[pa.RecordBatch] = []
            size, empty = 0, schema.empty_table()
            for batch in found.to_arrow_reader(CHUNK_ROWS):
                some.append(batch)
                size += batch.nbytes
                if len(some) == GROUP_ROWS // CHUNK_ROWS or size > BLOCK_BYTES:
                    yield pa.Table.from_batches(some).cast(schema)
                    some, size, empty = [], 0, None
            if some or empty:
                yield pa.Table.from_batches(some).cast(schema) if some else empty
        except (duckdb.Error, OSError) as error:
            # In the middle of its answer DuckDB only says that it was interrupted.
            lost = "the connection was lost" if "Interrupted" in str(error) else first_line(error)
            raise KindError(reading_failed(lost)) from error
        finally:
            # Closing would do the same, but ends the whole process when the connection is lost.
            with suppress(duckdb.Error):
                duck.rollback()


class ExactTableLoader(BaseTableLoader):
    """Reads a table by `read_rows`; dlt reflects the table, builds the query and knows the columns."""

    def load_rows(self, backend_kwargs: dict[str, Any]) -> Iterator[pa.Table]:
        """Yield the rows of the table as Arrow tables."""
        columns = {column.name: self.columns[column.name] for column in self.table.columns}
        columns |= {key.name: columns[key.name] | {"nullable": False} for key in self.table.primary_key}
        columns |= {name: {"name": name, "data_type": "text"} for name in backend_kwargs["texts"]}
        with backend_kwargs["snapshot"].reader() as connection:
            yield from read_rows(connection, self.compile_query(self.make_query()), columns)
