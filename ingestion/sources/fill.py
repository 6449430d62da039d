"""Fills whole tables of the warehouse: no row passes through Python, whose Arrow tables are here only lists of columns.

A table that the warehouse does not have yet, or that is replaced, needs no comparing with what is there. There are two
ways to fill one, with the same rows of the same types, in the same snapshot:

- Many rows, into DuckDB: a model job of dlt, in which the warehouse's own connection runs DuckDB's scanner of Postgres,
  the cheapest way there is. It reads when it loads, so the job is the reader that the snapshot waits for.
- Otherwise, and where the scanner of this very DuckDB is not installed: COPY into a file, which dlt hands on as is. It
  calls every such file a CSV file, also those that hold what Postgres sends to Postgres.
"""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import dlt
import duckdb
import pyarrow as pa
from dlt.common.destination.client import SqlModel
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.extract.items import DataItemWithMeta
from psycopg2.extensions import make_dsn, parse_dsn
from sqlalchemy import Connection

from ingestion.errors import first_line
from ingestion.sources.copy import UNREADABLE, Written, arrow_schema, exact, literal, quote, with_unreadable
from ingestion.sources.snapshot import Snapshot

FILLED = b"filled"
BUFFER_BYTES = 1 << 20
# Types of Postgres, by their numbers.
TEXTS = (25, 1043)  # text, varchar
BLANK_PADDED, REAL, SMALLINT = 1042, 700, 21


class Fillable(Protocol):
    """A warehouse that fills tables by itself."""

    def scans(self, snapshot: Snapshot) -> bool:
        """Whether the warehouse can read this Postgres by itself; it will, in this snapshot."""

    def copy_out(self, cursor: Any, query: str, schema: pa.Schema, sink: BinaryIO) -> None:
        """Write the rows of a query of Postgres into a file that this warehouse can load."""


def fill(
    warehouse: Fillable, snapshot: Snapshot, table: str, query: str, columns: TTableSchemaColumns
) -> Iterator[DataItemWithMeta]:
    """Hand the rows of a query over to the warehouse, as one file for dlt."""
    from_rows = dlt.config["sources.shop.scan_from_rows"]
    schema = with_unreadable(arrow_schema(columns))
    with tempfile.TemporaryDirectory(dir=dlt.current.pipeline().working_dir) as folder:
        with snapshot.connect() as connection:
            is_scan = rows_expected(connection, query) >= from_rows and warehouse.scans(snapshot)
            if is_scan:
                file = Path(folder) / "scan.model"
                file.write_text(str(scan_model(connection, query, schema, source_name(table))), encoding="utf-8")
                # Whether a table would shrink must be known before.
                is_replaced = dlt.current.resource().write_disposition == "replace"
                rows = rows_counted(connection, query) if is_replaced else None
        if not is_scan:
            file = Path(folder) / "copy.csv"
            with snapshot.reader() as connection, file.open("wb", BUFFER_BYTES) as sink:
                cursor = connection.connection.driver_connection.cursor()
                warehouse.copy_out(cursor, query, schema, sink)
                rows = cursor.rowcount
        told = {FILLED: json.dumps([rows, 0 if is_scan else file.stat().st_size])}
        columns_only = schema.empty_table().replace_schema_metadata(told)
        dlt.current.resource().apply_hints(file_format=file.suffix[1:])
        yield dlt.mark.with_file_import(str(file), file.suffix[1:], rows or 0, hints=columns_only)


def rows_expected(connection: Connection, query: str) -> int:
    """How many rows the planner of Postgres expects."""
    with connection.connection.driver_connection.cursor() as cursor:
        cursor.execute(f"explain (format json) {query}")
        [(plan,)] = cursor.fetchall()
    return plan[0]["Plan"]["Plan Rows"]


def rows_counted(connection: Connection, query: str) -> int:
    """How many rows there are."""
    with connection.connection.driver_connection.cursor() as cursor:
        cursor.execute(f"select count(*) from ({query}) as source_rows")
        [(rows,)] = cursor.fetchall()
    return rows


def types_of(cursor: Any, query: str) -> dict[str, int]:
    """The columns of a query of Postgres and the numbers of their types there."""
    cursor.execute(f"select * from ({query}) as source_rows limit 0")
    return {column.name: column.type_code for column in cursor.description}


def native(types: dict[str, int]) -> Written:
    """How to write columns of these types so that programs that know the types of Postgres read them exactly."""

    def written(name: str, column: str, type_: pa.DataType) -> str:
        if types[name] == BLANK_PADDED:
            # A cast would take the blanks away.
            return f"case when {column} is not null then concat({column}) end"
        if pa.types.is_string(type_) and types[name] not in TEXTS:
            return f"{column}::text"
        # In text as in COPY, where 0.1 stays 0.1.
        return f"{column}::text::double precision" if types[name] == REAL else column

    return written


def scan_model(connection: Connection, query: str, schema: pa.Schema, source: str) -> SqlModel:
    """The query of DuckDB that reads the rows of a query of Postgres exactly, from a database attached as `source`."""
    with connection.connection.driver_connection.cursor() as cursor:
        written = native(types_of(cursor, query))

    def read(field: pa.Field) -> str:
        # The scanner reads NaN as 0; to look at what Postgres says of the row costs less than to ask it for nulls.
        is_nan = literal(f'{json.dumps(field.name, ensure_ascii=False)}: "NaN"')
        column = quote(field.name)
        is_decimal = pa.types.is_decimal(field.type)
        return f"case when contains({UNREADABLE}, {is_nan}) then null else {column} end" if is_decimal else column

    columns = ", ".join(f"{read(field)} as {quote(field.name)}" for field in schema)
    statement = exact(query, schema, written)
    return SqlModel(f"select {columns} from postgres_query({literal(source)}, {literal(statement)})", "duckdb")


def source_name(table: str) -> str:
    """As what the job of a table attaches the shop, for jobs run side by side."""
    return f"source_of_{table}"


def extension() -> Path:
    """Where the scanner for this very DuckDB is, if it is installed."""
    package = find_spec("duckdb_extension_postgres_scanner")
    folder = Path(package.origin).parent if package else Path("duckdb_extension_postgres_scanner")
    return folder / "extensions" / f"v{duckdb.__version__}" / "postgres_scanner.duckdb_extension"


@contextmanager
def attached(duck: duckdb.DuckDBPyConnection, url: str, source: str) -> Iterator[None]:
    """Let DuckDB know the Postgres behind a URL, under a name, for a while."""
    options = parse_dsn(url) | {"client_encoding": "utf8"}
    name, password = quote(source), options.pop("password", "")
    duck.execute(f"load {literal(str(extension()))}")
    # DuckDB's messages show what it connects with, so the password goes another way.
    duck.execute(f"create or replace temporary secret {name} (type postgres, password {literal(password)})")
    try:
        duck.execute(f"attach {literal(make_dsn(**options))} as {name} (type postgres, read_only, secret {name})")
        try:
            yield
        finally:
            with suppress(duckdb.Error):
                duck.execute(f"detach {name}")
    finally:
        duck.execute(f"drop secret {name}")


@cache
def can_scan(duck: duckdb.DuckDBPyConnection, url: str) -> bool:
    """Whether DuckDB can read the Postgres behind a URL; where it cannot, that is said once."""
    try:
        with attached(duck, url, source_name("any")):
            return True
    except duckdb.Error as error:
        print(f"shop: reading by COPY, for DuckDB's scanner of Postgres cannot be used: {first_line(error)}")
        return False


def join(duck: duckdb.DuckDBPyConnection, source: str, snapshot: Snapshot) -> None:
    """Let the open transaction of DuckDB read an attached Postgres in a snapshot."""
    for setting in (f"transaction snapshot '{snapshot.id}'", "local timezone = 'UTC'", "local datestyle = 'ISO'"):
        duck.execute(f"call postgres_execute({literal(source)}, {literal('set ' + setting)})")


@dataclass
class Filled:
    """How much goes straight into the warehouse; the number of rows of a scan is not known before it is loaded."""

    rows: int | None
    bytes: int


def filled(rows: pa.Table) -> Filled | None:
    """What these columns stand for; none when they are rows by themselves."""
    told = (rows.schema.metadata or {}).get(FILLED)
    return Filled(*json.loads(told)) if told else None
