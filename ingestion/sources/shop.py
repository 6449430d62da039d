"""The shop's Postgres: every table of the shop, and the keys that exist.

What: the tables listed in `.dlt/config.toml`, each as it is, plus a table of keys for those whose rows are deleted.
Alone: `python -m ingestion --source shop`.

Tables are merged on their primary key. The cursor is `updated_at` (see `snapshot.py` for where a run starts); rows
without one are read every time, and so are rows dated in the future, which never move the start. Hard deletes cannot be
seen by a cursor, so the keys of such tables are read whole, in the same snapshot as the rows: a row of raw whose key is
missing there was deleted. dlt's own `incremental` is not used because its next start is the highest value it has seen.

A column that changes its type to one that raw's column cannot hold goes on as text in a column beside it, named like
dlt's own variants (`amount__v_text`): no value is rounded or lost, and whoever reads the old column sees nulls.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.sources import DltResource
from dlt.sources.credentials import ConnectionStringCredentials
from dlt.sources.sql_database import (
    BaseTableLoader,
    register_table_loader_backend,
    remove_nullability_adapter,
    sql_table,
)
from sqlalchemy import Column, Engine, MetaData, Select, Table, cast, func, types

from ingestion.errors import KindError
from ingestion.sources import Days
from ingestion.sources.copy import UNREADABLE, arrow_type, copy_to_arrow, holds, variant
from ingestion.sources.fill import fill
from ingestion.sources.snapshot import Snapshot, Watermark
from ingestion.warehouse import Warehouse

MERGE = {"disposition": "merge", "strategy": "delete-insert", "deduplicated": True}
EXACT_TYPES = (types.Integer, types.Boolean, types.Date, types.DateTime)


def exact_or_text(source_type: types.TypeEngine) -> types.TypeEngine:
    """Keep the types that survive the way exactly; all else (unbounded numeric, json, arrays) travels as text."""
    if isinstance(source_type, types.Float):
        return types.Numeric(asdecimal=False)
    if isinstance(source_type, types.Numeric):
        precision, scale = source_type.precision or 99, source_type.scale or 0
        return source_type if 0 <= scale <= precision <= 38 else types.Text()
    return source_type if isinstance(source_type, EXACT_TYPES) else types.Text()


@dlt.source(name="shop", max_table_nesting=0)
def shop(
    credentials: ConnectionStringCredentials = dlt.secrets.value,
    schema: str = dlt.config.value,
    tables: list[str] = dlt.config.value,
    key_tables: dict[str, Any] = dlt.config.value,
    cursor_column: str = dlt.config.value,
    lag_seconds: float = dlt.config.value,
    only: list[str] | None = None,
    full_refresh: bool = False,
    days: Days | None = None,
    warehouse: Warehouse | None = None,
) -> Iterator[DltResource]:
    """Every table of the shop, read in one snapshot; `only` picks tables, and their key tables come along.

    A `warehouse` fills tables that it does not have, or that are refreshed, by itself.
    """
    wanted = [table for table in tables if only is None or table in only]
    if not wanted:
        return
    with_keys = [table for table in wanted if table in key_tables]
    snapshot = Snapshot(credentials.to_native_representation(), readers=len(wanted) + len(with_keys))
    metadata = reflect(snapshot.engine, schema, wanted)
    held, dataset = raw_tables(), dlt.current.pipeline().dataset_name
    for name in wanted:
        table = metadata.tables[f"{schema}.{name}"]
        is_filled = warehouse and not days and (full_refresh or not warehouse.rows_held(f"{dataset}.{name}"))
        watermark = Watermark(name, cursor_column, snapshot, timedelta(seconds=lag_seconds), days, bool(is_filled))
        has_cursor = cursor_column in table.c
        resource = rows(
            table,
            snapshot.engine,
            held.get(name, {}),
            snapshot,
            query_adapter_callback=watermark.changed_rows if has_cursor else None,
            filled_by=warehouse if is_filled else None,
            write_disposition="replace" if full_refresh else MERGE,
        )
        if has_cursor:
            resource.add_map(watermark.see)
        yield resource
        if name in with_keys:
            yield keys(snapshot, table, key_tables[name])


def reflect(engine: Engine, schema: str, wanted: list[str]) -> MetaData:
    """What Postgres says of the tables; every one must be there and have a key."""
    metadata = MetaData(schema=schema)
    metadata.reflect(engine, views=True, only=lambda name, _: name in wanted)
    missing = [table for table in wanted if f"{schema}.{table}" not in metadata.tables]
    if missing:
        raise KindError(
            f"The shop's database has no table {', '.join(missing)} in schema {schema!r} that the role may read. "
            "Correct [sources.shop] tables in .dlt/config.toml, or grant select on it."
        )
    for table in metadata.sorted_tables:
        if table.name in wanted and not table.primary_key:
            raise KindError(f"Table {table} has no primary key, so its rows cannot be merged. Give it one.")
    return metadata


def rows(
    table: Table,
    engine: Engine,
    held: TTableSchemaColumns,
    snapshot: Snapshot | None = None,
    query_adapter_callback: Any = None,
    filled_by: Warehouse | None = None,
    **options: Any,
) -> DltResource:
    """The rows of a table that has these columns in raw, read in a snapshot; without one, just what dlt knows of it."""
    register_table_loader_backend("exact", ExactTableLoader)

    def query_with_texts(query: Select, *context: Any) -> Select:
        query = query_adapter_callback(query, *context) if query_adapter_callback else query
        return query.add_columns(*(cast(column, types.Text).label(texts[column.name]) for column in as_text))

    def read(**more: Any) -> DltResource:
        return sql_table(
            credentials=engine,
            table=table.name,
            schema=table.schema,
            metadata=table.metadata,
            backend="exact",
            # A source that drops a `not null` later must not meet one in raw.
            table_adapter_callback=remove_nullability_adapter,
            backend_kwargs={"snapshot": snapshot, "texts": texts.values(), "filled_by": filled_by},
            reflection_level="full_with_precision",
            type_adapter_callback=exact_or_text,
            query_adapter_callback=query_with_texts,
            **options,
            **more,
        )

    texts: dict[str, str] = {}
    as_text: list[Column] = []
    resource = read()
    columns = resource.compute_table_schema()["columns"]
    texts |= retyped(columns, held)
    if texts:
        as_text += [column for column in table.columns if column.name in texts]
        if any(column.primary_key for column in as_text):
            raise KindError(f"The key of {table} has another type than before. Load it under another name.")
        resource = read(excluded_columns=[*texts])
    added = {name: {"name": name, "data_type": "text"} for name in texts.values()}
    if any(column["data_type"] == "decimal" for column in columns.values()):
        added[UNREADABLE] = {"name": UNREADABLE, "data_type": "text"}
    if added:
        resource.apply_hints(columns=added)
    return resource


class ExactTableLoader(BaseTableLoader):
    """Reads a table exactly; dlt reflects the table, builds the query and knows the columns."""

    def load_rows(self, backend_kwargs: dict[str, Any]) -> Iterator[Any]:
        """Yield the rows of the table as Arrow tables, or as one file where the warehouse reads them by itself."""
        columns = {column.name: self.columns[column.name] for column in self.table.columns}
        columns |= {key.name: columns[key.name] | {"nullable": False} for key in self.table.primary_key}
        columns |= {name: {"name": name, "data_type": "text"} for name in backend_kwargs["texts"]}
        query, snapshot = self.compile_query(self.make_query()), backend_kwargs["snapshot"]
        if warehouse := backend_kwargs["filled_by"]:
            yield from fill(warehouse, snapshot, self.table.name, query, columns)
        else:
            with snapshot.reader() as connection:
                yield from copy_to_arrow(connection, query, columns)


def raw_tables() -> dict[str, TTableSchemaColumns]:
    """The columns that the tables of the shop have in raw."""
    schema = dlt.current.pipeline().schemas.get("shop")
    return {name: schema.get_table_columns(name) for name in schema.tables} if schema else {}


def retyped(columns: TTableSchemaColumns, held: TTableSchemaColumns) -> dict[str, str]:
    """The columns that those of raw cannot hold exactly, and under which names they go on as text."""
    names = {}
    for name, column in columns.items():
        if name in held and not holds(old := arrow_type(held[name]), arrow_type(column)):
            names[name] = name if pa.types.is_string(old) else variant(name)
    return names


def key_columns(table: Table) -> TTableSchemaColumns:
    """The columns of a table of keys."""
    return {
        column.name: {
            "name": column.name,
            "data_type": "bigint" if isinstance(column.type, types.Integer) else "text",
            "nullable": False,
        }
        for column in table.primary_key
    }


def keys(snapshot: Snapshot, table: Table, name: str, always: bool = False) -> DltResource:
    """The keys of all rows that exist in a table, replaced as a whole whenever one came or went, or always."""
    columns = key_columns(table)

    @dlt.resource(name=name, write_disposition="replace", primary_key=list(columns), columns=columns)
    def all_keys() -> Iterator[pa.Table]:
        # The state of a resource that replaces is wiped in every run, so this lives with the rows.
        state = dlt.current.resource_state(table.name)
        key_hash = func.hashtextextended(func.concat_ws("\x1f", *table.primary_key), 0)
        with snapshot.reader() as connection:
            count, total = connection.execute(Select(func.count(), func.sum(cast(key_hash, types.Numeric)))).one()
            fingerprint = f"{count} {total}"
            if state.get("keys") == fingerprint and not always:
                # A resource that replaces and yields nothing would empty its table.
                dlt.current.resource().apply_hints(write_disposition="merge")
                return
            state["keys"] = fingerprint
            query = str(Select(*table.primary_key).compile(snapshot.engine))
            yield from copy_to_arrow(connection, query, columns)

    return all_keys
