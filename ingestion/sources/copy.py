"""A dlt table loader that reads Postgres by COPY straight into Arrow.

COPY is the cheapest way out of Postgres and pyarrow the cheapest way into columns; neither touches a value in Python.
Memory holds a few blocks of text, whatever the size of the table. The CSV form of COPY tells null (nothing) from an
empty string (two quotes), and every column's type is pinned from the source's own, so nothing is guessed.
"""

import os
import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns
from dlt.sources.sql_database import BaseTableLoader
from pyarrow import csv
from sqlalchemy import Connection

BLOCK_BYTES = 8 << 20


def arrow_type(column: TColumnSchema) -> pa.DataType:
    """The Arrow type that holds every value of a column exactly; text for whatever has no such type."""
    match column.get("data_type"):
        case "bigint":
            return pa.int64()
        case "decimal" if column.get("precision", 99) <= 38:
            return pa.decimal128(column["precision"], column.get("scale", 0))
        case "double":
            return pa.float64()
        case "bool":
            return pa.bool_()
        case "date":
            return pa.date32()
        case "timestamp":
            return pa.timestamp("us", tz="UTC" if column.get("timezone", True) else None)
        case _:
            return pa.string()


def arrow_schema(columns: TTableSchemaColumns) -> pa.Schema:
    """The Arrow types of columns."""
    return pa.schema(
        [pa.field(name, arrow_type(column), column.get("nullable") is not False) for name, column in columns.items()]
    )


def copy_to_arrow(connection: Connection, query: str, columns: TTableSchemaColumns) -> Iterator[pa.Table]:
    """Run a query and yield its rows as Arrow tables; at least one, so that an empty answer has its columns too."""
    read_end, write_end = os.pipe()
    failures: list[Exception] = []

    driver = connection.connection.driver_connection

    def copy() -> None:
        try:
            with os.fdopen(write_end, "wb", BLOCK_BYTES // 8) as sink, driver.cursor() as cursor:
                cursor.copy_expert(f"copy ({query}) to stdout (format csv, header)", sink)
        except Exception as failure:
            failures.append(failure)

    writer = threading.Thread(target=copy, name="copy", daemon=True)
    writer.start()
    try:
        with os.fdopen(read_end, "rb") as source:
            yield from read_csv(source, columns)
    except pa.ArrowInvalid:
        # A broken COPY ends in broken text: what Postgres said explains more than what the parser said.
        writer.join()
        if not failures:
            raise
    finally:
        writer.join()
    if failures:
        raise failures[0]


def read_csv(source: Any, columns: TTableSchemaColumns) -> Iterator[pa.Table]:
    """Read what COPY writes as Arrow tables with exactly these columns."""
    schema = arrow_schema(columns)
    reader = csv.open_csv(
        source,
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES),
        parse_options=csv.ParseOptions(newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types={field.name: field.type for field in schema},
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
            true_values=["t"],
            false_values=["f"],
            timestamp_parsers=[csv.ISO8601],
        ),
    )
    rows = 0
    for batch in reader:
        rows += batch.num_rows
        if batch.num_rows:
            yield pa.Table.from_arrays(batch.columns, schema=schema)
    if not rows:
        yield schema.empty_table()


class CopyTableLoader(BaseTableLoader):
    """Reads a table by COPY; dlt reflects the table, builds the query and knows the columns."""

    def load_rows(self, backend_kwargs: dict[str, Any]) -> Iterator[pa.Table]:
        """Yield the rows of the table as Arrow tables."""
        columns = {column.name: self.columns[column.name] for column in self.table.columns}
        columns |= {key.name: columns[key.name] | {"nullable": False} for key in self.table.primary_key}
        with backend_kwargs["snapshot"].reader() as connection:
            yield from copy_to_arrow(connection, self.compile_query(self.make_query()), columns)
