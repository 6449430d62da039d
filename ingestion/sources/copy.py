"""Reads Postgres by COPY straight into Arrow.

COPY is the cheapest way out of Postgres and pyarrow the cheapest way into columns; neither touches a value in Python.
Memory holds a few blocks of text, whatever the size of the table. The CSV form of COPY tells null (nothing) from an
empty string (two quotes), and every column's type is pinned from the source's own, so nothing is guessed. Times travel
as counts of microseconds, dates of days: cheaper than text on both sides, and exact from infinity to BC.
"""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa
from dlt.common.schema.typing import TColumnSchema, TTableSchemaColumns
from pyarrow import csv
from sqlalchemy import Connection

BLOCK_BYTES = 32 << 20
# As many rows as DuckDB stores together: to load groups of other sizes costs it half as much again.
GROUP_ROWS = 122_880
# A column of what is written for DuckDB, which reads times of such rows wrongly, and without a word.
EARLY = "_before_year_1"
# How a column with a name and a type is written in SQL, so that it leaves Postgres in a form that can be read exactly.
Written = Callable[[str, str, pa.DataType], str]
# Every table with decimals has this column: values that no type in the warehouse can hold, as JSON of column to text.
UNREADABLE = "unreadable_values"


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


def holds(old: pa.DataType, new: pa.DataType) -> bool:
    """Whether a column takes every value of another type as it is."""
    if pa.types.is_decimal(old) and pa.types.is_decimal(new):
        return old.scale >= new.scale and old.precision - old.scale >= new.precision - new.scale
    return old == new


def variant(name: str) -> str:
    """The column of text beside one that cannot hold the values of another type."""
    return f"{name}__v_text"


def exact(query: str, schema: pa.Schema, written: Written, *more: str) -> str:
    """Wrap a query so that every value leaves Postgres `written` in a form that can be read exactly."""
    names = {name: quote(name) for name in schema.names}
    columns = [
        f"{written(name, names[name], type_)} as {names[name]}"
        for name, type_ in zip(schema.names, schema.types, strict=True)
        if name != UNREADABLE
    ]
    if decimals := [field.name for field in schema if pa.types.is_decimal(field.type)]:
        parts = (f"{literal(name)}, case when {names[name]} = 'NaN' then 'NaN' end" for name in decimals)
        columns.append(
            f"case when 'NaN' in ({', '.join(names[name] for name in decimals)}) "
            f"then jsonb_strip_nulls(jsonb_build_object({', '.join(parts)}))::text end as {UNREADABLE}"
        )
    return f"select {', '.join([*columns, *more])} from ({query}) as source_rows"


def written(name: str, column: str, type_: pa.DataType) -> str:
    """The text of a column that means the same to Arrow."""
    if pa.types.is_timestamp(type_):
        # The largest count is infinity, for DuckDB as for Postgres.
        return (
            f"case when isfinite({column}) then (extract(epoch from {column}) * 1000000)::bigint "
            f"when {column} > '2000-01-01' then {2**63 - 1} when {column} < '2000-01-01' then {1 - 2**63} end"
        )
    if pa.types.is_date(type_):
        return (
            f"case when isfinite({column}) then {column} - date '1970-01-01' "
            f"when {column} > '2000-01-01' then {2**31 - 1} when {column} < '2000-01-01' then {1 - 2**31} end"
        )
    return nan_as_null(name, column, type_)


def quote(identifier: str) -> str:
    """Quote a name for SQL."""
    return '"' + identifier.replace('"', '""') + '"'


def as_it_is(name: str, column: str, type_: pa.DataType) -> str:
    """The column alone."""
    return column


def before_year_1(schema: pa.Schema) -> list[str]:
    """The column that marks rows with times before the year 1; none where there are no times."""
    times = [quote(field.name) for field in schema if pa.types.is_temporal(field.type)]
    is_early = " or ".join(f"{time} < '0001-01-01'" for time in times)
    return [f"case when {is_early} then 'BC' end as {EARLY}"] if times else []


def nan_as_null(name: str, column: str, type_: pa.DataType) -> str:
    """The column, without decimals that are no numbers."""
    return f"nullif({column}, 'NaN')" if pa.types.is_decimal(type_) else column


def literal(value: str) -> str:
    """Quote a text for SQL."""
    return "'" + value.replace("'", "''") + "'"


def copy_to_arrow(connection: Connection, query: str, columns: TTableSchemaColumns) -> Iterator[pa.Table]:
    """Run a query and yield its rows as Arrow tables; at least one, so that an empty answer has its columns too."""
    schema = with_unreadable(arrow_schema(columns))
    read_end, write_end = os.pipe()
    failures: list[Exception] = []
    driver = connection.connection.driver_connection

    def copy() -> None:
        try:
            with os.fdopen(write_end, "wb", BLOCK_BYTES // 8) as sink, driver.cursor() as cursor:
                cursor.copy_expert(f"copy ({exact(query, schema, written)}) to stdout (format csv, header)", sink)
        except Exception as failure:
            failures.append(failure)

    writer = threading.Thread(target=copy, name="copy", daemon=True)
    writer.start()
    try:
        with os.fdopen(read_end, "rb") as source:
            for table in in_groups(_read(source, counted(schema))):
                columns = [column.cast(type_) for column, type_ in zip(table.columns, schema.types, strict=True)]
                yield pa.Table.from_arrays(columns, schema=schema)
    except pa.ArrowInvalid:
        # A broken COPY ends in broken text: what Postgres said explains more than what the parser said.
        writer.join()
        if not failures:
            raise
    finally:
        writer.join()
    if failures:
        raise failures[0]


def in_groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables that DuckDB likes, as long as they are not too large."""
    held: pa.Table | None = None
    for table in tables:
        held = pa.concat_tables([held, table]) if held else table
        while held.num_rows >= GROUP_ROWS:
            yield held.slice(0, GROUP_ROWS)
            held = held.slice(GROUP_ROWS)
        if held.nbytes > BLOCK_BYTES:
            yield held
            held = None
    # A table without rows is the whole answer.
    if held or not table:
        yield held


def counted(schema: pa.Schema) -> pa.Schema:
    """How the columns of `exact` look before times and dates are taken for what they are."""
    counts = {True: pa.int64(), False: pa.int32()}
    return pa.schema(
        field.with_type(counts[pa.types.is_timestamp(field.type)]) if pa.types.is_temporal(field.type) else field
        for field in schema
    )


def with_unreadable(schema: pa.Schema) -> pa.Schema:
    """The columns that `exact` adds to these."""
    decimals = any(pa.types.is_decimal(type_) for type_ in schema.types)
    return schema.append(pa.field(UNREADABLE, pa.string())) if decimals else schema


def read_csv(source: Any, columns: TTableSchemaColumns) -> Iterator[pa.Table]:
    """Read the CSV that Postgres writes as Arrow tables with exactly these columns."""
    return _read(source, arrow_schema(columns))


def _read(source: Any, schema: pa.Schema) -> Iterator[pa.Table]:
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
