"""The shop's Postgres by change data capture: what its own log says, with every version in between.

What: the same tables as `shop.py`, and for each one a table `<table>_changes` of all versions of its rows. Alone:
`python -m ingestion --source shop --mode cdc`.

A replication slot keeps the changes until they are loaded, and its position is the only truth about what was: a run
reads what the slot holds, loads it, and only then moves the slot. A run that was killed is simply repeated: rows merge
on their keys and versions on their place in the log. The slot begins where the first snapshot was taken, and is made
after that is loaded, as a copy of a temporary one. The state of `replication_progress` holds how far this warehouse
came; unlike that table it counts only when the whole load is there. When the slot is further (a backup was restored,
another warehouse used it), or lost, or the columns of a table changed, a new snapshot is taken.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import dlt
import psycopg2
import pyarrow as pa
from dlt.common.configuration import with_config
from dlt.common.schema.typing import TTableSchemaColumns
from dlt.extract import DltResource, DltSource
from dlt.sources.credentials import ConnectionStringCredentials
from psycopg2.extras import LogicalReplicationConnection
from sqlalchemy import Table

from ingestion.changes import drop_unchanged
from ingestion.errors import KindError
from ingestion.sources.captured import CHANGE_COLUMNS, CHANGE_KEY, CapturedTable, TableChanges
from ingestion.sources.copy import arrow_schema, quote
from ingestion.sources.pgoutput import Change, Decoder
from ingestion.sources.shop import MERGE, key_columns, keys, raw_tables, reflect, rows
from ingestion.sources.snapshot import Snapshot, open_engine
from ingestion.warehouse import Warehouse

PROGRESS = "replication_progress"
PROGRESS_COLUMNS: TTableSchemaColumns = {
    "slot_name": {"name": "slot_name", "data_type": "text", "nullable": False},
    "lsn": {"name": "lsn", "data_type": "bigint"},
    "layout": {"name": "layout", "data_type": "text"},
    "bytes_behind": {"name": "bytes_behind", "data_type": "bigint"},
    "bytes_kept": {"name": "bytes_kept", "data_type": "bigint"},
}
PATIENCE_SECONDS = 30  # for a server that still works for a run that was killed
LOCK_TIMEOUT_SECONDS = 60

# A publication is good for a table when it carries all rows, all columns and all kinds of changes.
CHECK = """
    select
        current_setting('wal_level'),
        (select rolreplication or rolsuper from pg_roles where rolname = current_user),
        array(
            select published.tablename::text
            from pg_publication_tables as published
            inner join pg_publication as publication using (pubname)
            where
                published.pubname = %s
                and published.schemaname = %s
                and published.rowfilter is null
                and publication.pubinsert and publication.pubupdate
                and publication.pubdelete and publication.pubtruncate
                and cardinality(published.attnames) = (
                    select count(*)
                    from pg_attribute
                    where
                        attrelid = format('%%I.%%I', published.schemaname, published.tablename)::regclass
                        and attnum > 0
                        and not attisdropped
                )
        )
"""
LAYOUT = """
    select md5(string_agg(
        concat_ws(' ', relname, attname, format_type(atttypid, atttypmod)), ', ' order by relname, attname
    ))
    from pg_attribute
    inner join pg_class on pg_attribute.attrelid = pg_class.oid
    where relnamespace = %s::regnamespace and relname = any(%s) and attnum > 0 and not attisdropped
"""
SLOT = """
    select
        (confirmed_flush_lsn - '0/0')::bigint as lsn,
        (pg_current_wal_lsn() - confirmed_flush_lsn)::bigint as bytes_behind,
        (pg_current_wal_lsn() - restart_lsn)::bigint as bytes_kept,
        active_pid
    from pg_replication_slots
    where slot_name = %s and database = current_database() and wal_status <> 'lost'
"""
IS_LOST = "select 1 from pg_replication_slots where slot_name = %s and wal_status = 'lost'"
PEEK = """
    select data
    from pg_logical_slot_peek_binary_changes(
        %s, '0/0'::pg_lsn + %s, %s, 'proto_version', '1', 'publication_names', %s
    )
"""


@dlt.source(name="shop", max_table_nesting=0)
def as_source(resources: Iterable[DltResource]) -> Iterator[DltResource]:
    """Resources as a source, so that they share the schema of the other mode."""
    yield from resources


@with_config(sections=("sources", "shop"))
def replicate(
    load: Callable[[DltSource, bool], None],
    say: Callable[[str], None],
    warehouse: Warehouse,
    dataset: str,
    full_refresh: bool,
    credentials: ConnectionStringCredentials = dlt.secrets.value,
    schema: str = dlt.config.value,
    tables: list[str] = dlt.config.value,
    key_tables: dict[str, Any] = dlt.config.value,
    slot_name: str = dlt.config.value,
    publication: str = dlt.config.value,
    batch_changes: int = dlt.config.value,
) -> None:
    """Load what changed in the shop: `load` loads a source and may let tables shrink, `say` tells a person."""
    url = credentials.to_native_representation()
    Replication(
        load,
        say,
        warehouse,
        dataset,
        full_refresh,
        url,
        schema,
        tables,
        key_tables,
        slot_name,
        publication,
        batch_changes,
    ).run()


@dataclass
class Replication:
    """One run of this mode."""

    load: Callable[[DltSource, bool], None]
    say: Callable[[str], None]
    warehouse: Warehouse
    dataset: str
    full_refresh: bool
    url: str
    schema: str
    names: list[str]
    key_tables: dict[str, str]
    slot_name: str
    publication: str
    batch_changes: int

    def __post_init__(self) -> None:
        """Nothing connects before it is asked."""
        self.engine = open_engine(self.url)

    def run(self) -> None:
        """Load what the slot holds; take a snapshot where there is nothing to go on from."""
        self.check()
        metadata = reflect(self.engine, self.schema, self.names)
        self.shop_tables = {name: metadata.tables[f"{self.schema}.{name}"] for name in self.names}
        self.tables = {name: self.capture(table) for name, table in self.shop_tables.items()}
        (self.layout,) = self.ask(LAYOUT, self.schema, self.names)
        slot = self.free_slot()
        known = None if self.full_refresh else self.known_progress()
        is_continued = bool(known and slot and known[0] >= slot.lsn)
        if is_continued and known[1] == self.layout:
            self.drain(self.end_of_log(), self.layout)
        else:
            if known:
                reason = "columns changed" if is_continued else f"slot {self.slot_name} does not fit to the warehouse"
                if not is_continued and self.ask(IS_LOST, self.slot_name):
                    reason = (
                        f"Postgres gave up slot {self.slot_name}, because it kept more log than max_slot_wal_keep_size "
                        "allows. The versions since the last load are gone, the rows are not. Load more often, or "
                        "raise that setting"
                    )
                self.say(f"shop: {reason}: taking a new snapshot")
            self.take_snapshot(known[1] if is_continued else None, is_first=not (known and slot))
        slot = self.ask(SLOT, self.slot_name)
        self.say(
            f"shop: slot {self.slot_name} is {slot.bytes_behind:,} bytes behind the log and keeps {slot.bytes_kept:,} "
            "bytes of it"
        )
        self.engine.dispose()

    def ask(self, statement: str, *parameters: Any) -> Any:
        """The first row of a query."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            return connection.exec_driver_sql(statement, parameters).first()

    def check(self) -> None:
        """Say in one message what the shop's Postgres lacks, as the statements that mend it."""
        wal_level, may_replicate, published = self.ask(CHECK, self.publication, self.schema)
        lacks = []
        if wal_level != "logical":
            lacks.append("alter system set wal_level = logical; (and restart)")
        if not may_replicate:
            lacks.append(f"alter role {quote(self.engine.url.username)} replication;")
        if not set(self.names) <= set(published):
            tables = ", ".join(f"{quote(self.schema)}.{quote(name)}" for name in self.names)
            lacks.append(f"drop publication if exists {quote(self.publication)};")
            lacks.append(f"create publication {quote(self.publication)} for table {tables};")
        if lacks:
            raise KindError(
                "The shop's Postgres is not ready for change data capture. As its owner, run there: "
                f"{' '.join(lacks)} Or load without it: --mode cursor."
            )

    def capture(self, table: Table) -> CapturedTable:
        """The columns of a table as the other mode loads them, and those that raw has from earlier."""
        raw = raw_tables().get(table.name, {})
        held = {name: column for name, column in raw.items() if not name.startswith("_dlt")}
        columns = rows(table, self.engine, raw).compute_table_schema()["columns"] | held
        key = [column.name for column in table.primary_key]
        return CapturedTable(
            self.dataset, table.name, columns, key, self.key_tables.get(table.name), key_columns(table)
        )

    def known_progress(self) -> tuple[int, str] | None:
        """How far this warehouse came with this slot, and with which columns."""
        sources = dlt.current.pipeline().state.get("sources", {})
        known = sources.get("shop", {}).get("resources", {}).get(PROGRESS, {}).get(self.slot_name)
        return tuple(known) if known else None

    def free_slot(self) -> Any:
        """The slot, as soon as nobody uses it; none when there is none."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (slot := self.ask(SLOT, self.slot_name)) and slot.active_pid:
            if time.monotonic() > deadline:
                raise KindError(
                    f"Slot {self.slot_name} of the shop's Postgres is in use by its process {slot.active_pid}. A slot "
                    "serves one warehouse: name another one in [sources.shop] slot_name."
                )
            time.sleep(0.2)
        return slot

    def end_of_log(self) -> int:
        """Where the log ends, once Postgres has that on disk: it decodes nothing before."""
        (end,) = self.ask("select (pg_current_wal_insert_lsn() - '0/0')::bigint")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.ask("select (pg_current_wal_flush_lsn() - '0/0')::bigint")[0] < end and time.monotonic() < deadline:
            time.sleep(0.02)
        return end

    def drain(self, until: int, layout: str) -> None:
        """Load what was committed before a place in the log, batch by batch, and move the slot after each.

        `layout` says with which columns raw is whole afterwards.
        """
        is_last = False
        while not is_last:
            decoder = Decoder(self.ask(SLOT, self.slot_name).lsn)
            numbers: Counter[tuple[str, int]] = Counter()
            with self.engine.connect() as connection:
                connection.exec_driver_sql("set local timezone = 'UTC'; set local datestyle = 'ISO'")
                connection.exec_driver_sql("set local idle_in_transaction_session_timeout = 0")
                messages = connection.exec_driver_sql(
                    PEEK,
                    (self.slot_name, until, self.batch_changes, self.publication),
                    execution_options={"stream_results": True},
                )
                batch = messages.fetchmany(self.batch_changes)
                # Postgres goes on to the end of a transaction: fewer messages than asked for are all there were.
                is_last = len(batch) < self.batch_changes
                while batch or is_last:
                    changes = (change for (data,) in batch for change in decoder.decode(bytes(data)))
                    resources = self.resources_of(changes, numbers)
                    end = until if is_last else decoder.end_lsn
                    self.load(as_source([*resources, self.progress(end, layout)]), True)
                    if is_last:
                        break
                    batch = messages.fetchmany(self.batch_changes)
            self.ask("select pg_replication_slot_advance(%s, '0/0'::pg_lsn + %s)", self.slot_name, end)

    def resources_of(self, changes: Iterable[Change], numbers: Counter[tuple[str, int]]) -> list[DltResource]:
        """What a batch does to the tables of raw; `numbers` counts the versions of each table and transaction."""
        by_table: dict[str, TableChanges] = {}
        for change in changes:
            name = change.relation.table
            if change.relation.schema == self.schema and name in self.tables:
                place = (name, change.commit_lsn)
                table_changes = by_table.setdefault(name, TableChanges(self.tables[name]))
                numbers[place] = table_changes.add(change, numbers[place])
        resources = []
        for table_changes in by_table.values():
            table = table_changes.table
            table_changes.fill_unchanged(self.warehouse)
            resources.append(
                dlt.resource(
                    [table_changes.current()],
                    name=table.name,
                    columns=table.columns,
                    primary_key=table.key,
                    write_disposition=MERGE,
                )
            )
            resources.append(
                dlt.resource(
                    [table_changes.all_versions()],
                    name=table.changes,
                    columns=table.change_columns,
                    primary_key=CHANGE_KEY,
                    write_disposition=MERGE,
                )
            )
            if table.key_table:
                resources.append(changed_keys(table_changes))
        return resources

    @contextmanager
    def temporary_slot(self) -> Iterator[tuple[str, int, str]]:
        """A slot that goes with its connection: its name, where it begins, and the snapshot of that place."""
        name = f"{self.slot_name}_snapshot"
        dsn = self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        with closing(
            psycopg2.connect(
                dsn,
                connection_factory=LogicalReplicationConnection,
                options=f"-c lock_timeout={LOCK_TIMEOUT_SECONDS}s -c idle_session_timeout=0",
            )
        ) as connection:
            cursor = connection.cursor()
            try:
                cursor.execute(f"CREATE_REPLICATION_SLOT {quote(name)} TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT")
            except psycopg2.errors.LockNotAvailable:
                raise KindError(
                    f"A transaction in the shop's Postgres was open for {LOCK_TIMEOUT_SECONDS} seconds, and change "
                    "data capture can begin only when all that began before have ended. Run again when it has (select "
                    "pid, xact_start, query from pg_stat_activity order by xact_start)."
                ) from None
            _, begin, snapshot, _ = cursor.fetchone()
            high, low = begin.split("/")
            yield name, (int(high, 16) << 32) + int(low, 16), snapshot

    def take_snapshot(self, drain_with: str | None, is_first: bool) -> None:
        """Load the tables as they are at one moment and let the slot begin there.

        `drain_with` is the layout of raw where the slot has to be drained before, so that no version is lost.
        """
        with self.temporary_slot() as (temporary, begin, exported):
            if drain_with:
                # Until the snapshot is loaded, raw lacks what the new columns have in rows that did not change.
                self.drain(begin, drain_with)
            key_tables = [name for name in self.names if name in self.key_tables]
            snapshot = Snapshot(self.url, len(self.names) + len(key_tables), exported)
            resources = [
                resource for name in self.names for resource in self.whole_table(name, snapshot, begin, is_first)
            ]
            resources += [
                keys(snapshot, self.shop_tables[name], self.key_tables[name], always=True) for name in key_tables
            ]
            self.load(as_source([*resources, self.progress(begin, self.layout)]), False)
            self.ask(
                "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s",
                self.slot_name,
            )
            self.ask("select pg_copy_logical_replication_slot(%s, %s, false)", temporary, self.slot_name)

    def whole_table(self, name: str, snapshot: Snapshot, lsn: int, is_first: bool) -> list[DltResource]:
        """All rows of a table: as they are, and as versions."""
        table = self.tables[name]
        raw = raw_tables().get(name, {})
        source = rows(self.shop_tables[name], snapshot.engine, raw, snapshot).with_name(f"{name}_snapshot")
        if not is_first:
            # Rows that raw holds already have their version already.
            source.add_map(partial(drop_unchanged, self.warehouse, f"{self.dataset}.{name}", table.key, True))
        disposition = "replace" if self.full_refresh else MERGE
        count = 0

        @dlt.transformer(
            data_from=source,
            name=name,
            columns=table.columns,
            primary_key=table.key,
            write_disposition=disposition,
        )
        def current(batch: pa.Table) -> pa.Table:
            return batch

        @dlt.transformer(
            data_from=source,
            name=table.changes,
            columns=table.change_columns,
            primary_key=CHANGE_KEY,
            write_disposition=disposition,
        )
        def versions(batch: pa.Table) -> pa.Table:
            nonlocal count
            numbers = range(count, count + batch.num_rows)
            count += batch.num_rows
            fields = arrow_schema(CHANGE_COLUMNS)
            about = ([lsn] * len(numbers), numbers, ["snapshot"] * len(numbers), [snapshot.taken_at] * len(numbers))
            values = [pa.array(part, field.type) for part, field in zip(about, fields, strict=True)]
            schema = pa.schema([*fields, *(field.with_nullable(True) for field in batch.schema)])
            return pa.Table.from_arrays([*values, *batch.columns], schema=schema)

        return [current, versions]

    def progress(self, lsn: int, layout: str) -> DltResource:
        """How far the warehouse is when this is loaded, and what the slot kept until then."""
        slot = self.ask(SLOT, self.slot_name)
        row = {
            "slot_name": self.slot_name,
            "lsn": lsn,
            "layout": layout,
            "bytes_behind": slot.bytes_behind if slot else None,
            "bytes_kept": slot.bytes_kept if slot else None,
        }

        @dlt.resource(name=PROGRESS, columns=PROGRESS_COLUMNS, primary_key="slot_name", write_disposition=MERGE)
        def progress() -> Iterator[pa.Table]:
            dlt.current.resource_state()[self.slot_name] = (lsn, layout)
            yield pa.Table.from_pylist([row], arrow_schema(PROGRESS_COLUMNS))

        return progress


def changed_keys(table_changes: TableChanges) -> DltResource:
    """What a batch does to the table of the keys that exist."""
    table = table_changes.table

    @dlt.resource(name=table.key_table, columns=table.key_columns, primary_key=table.key, write_disposition=MERGE)
    def batch_keys() -> Iterator[pa.Table]:
        # The other mode must look again at all keys.
        dlt.current.resource_state(table.name).pop("keys", None)
        yield table_changes.keys(existing=True)
        if not table_changes.is_truncated:
            gone = table_changes.keys(existing=False)
            yield gone.append_column("is_deleted", pa.array([True] * gone.num_rows, pa.bool_()))

    if table_changes.is_truncated:
        batch_keys.apply_hints(write_disposition="replace")
    else:
        batch_keys.apply_hints(columns={"is_deleted": {"name": "is_deleted", "data_type": "bool", "hard_delete": True}})
    return batch_keys
