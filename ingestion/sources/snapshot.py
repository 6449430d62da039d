"""One moment of a Postgres database, seen by every reader alike, and where the next run may safely start.

All tables are read in one exported snapshot, so an order never arrives without its lines and the key tables list
exactly the rows that were read. The price is the one `pg_dump` pays: a transaction that stays open while reading.

A row that commits late carries an old timestamp: taking the highest `updated_at` as the next start would lose it for
ever. So each run notes when it looked and the highest timestamp it saw, and the next run starts from the last note that
is older than every transaction that was still open. Nothing depends on whose clock wrote `updated_at`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dlt
import pyarrow as pa
import pyarrow.compute as pc
from sqlalchemy import Connection, Engine, Select, Table, create_engine, event, func, make_url, or_

from ingestion.errors import KindError
from ingestion.sources import Days

CONNECT_TIMEOUT_SECONDS = 10
BEGINNING = "0001-01-01T00:00:00+00:00"
YEAR_1 = pa.scalar(datetime.fromisoformat("0001-01-01"), pa.timestamp("us"))

LOOK = """
    select
        clock_timestamp() as now,
        -- A transaction that has only read so far may write next, so all of them count.
        (
            select min(xact_start)
            from pg_stat_activity
            where backend_type = 'client backend' and datname = current_database() and pid <> pg_backend_pid()
        ) as oldest_open,
        pg_has_role(current_user, 'pg_read_all_stats', 'usage') as sees_all
"""


def open_engine(url: str) -> Engine:
    """The database behind a URL, whichever of the usual spellings it has."""
    drivername = make_url(url).drivername.split("+")[0].replace("postgres", "postgresql", 1)
    drivername = "postgresql+psycopg2" if drivername.startswith("postgresql") else drivername
    return create_engine(
        make_url(url).set(drivername=drivername),
        isolation_level="REPEATABLE READ",
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_SECONDS,
            "application_name": "storehouse",
            "client_encoding": "utf8",
        },
    )


class Snapshot:
    """An exported snapshot that lives until its last reader is done; `exported` names one that somebody else keeps."""

    def __init__(self, url: str, readers: int, exported: str | None = None) -> None:
        self.engine = open_engine(url)
        self.url = self.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._readers = readers
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            taken_at, oldest_open, sees_all = connection.exec_driver_sql(LOOK).one()
        if not sees_all:
            raise KindError(
                f"The Postgres role {self.engine.url.username!r} cannot see when other transactions began, so rows "
                f"that commit late could be lost. Grant it: grant pg_read_all_stats to {self.engine.url.username};"
            )
        self.taken_at: datetime = taken_at.astimezone(UTC)
        self.oldest_open: datetime | None = oldest_open
        # The look comes first, in a transaction of its own: what the snapshot misses was open at the look or is newer.
        self._keeper = self.engine.connect()
        self.id = exported or self._keeper.exec_driver_sql("select pg_export_snapshot()").scalar_one()
        event.listen(self.engine, "begin", self._join)

    def _join(self, connection: Connection) -> None:
        connection.exec_driver_sql(f"set transaction snapshot '{self.id}'")
        connection.exec_driver_sql("set local timezone = 'UTC'; set local datestyle = 'ISO'")

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection inside the snapshot."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def reader(self) -> Iterator[Connection]:
        """A connection inside the snapshot for one of the readers; the last one to leave ends the snapshot."""
        try:
            with self.connect() as connection:
                yield connection
        finally:
            self._readers -= 1
            if not self._readers:
                self._keeper.close()
                self.engine.dispose()


class Watermark:
    """Where the reading of one table starts, kept in dlt's state of the resource and saved with the load itself.

    The state holds notes `[taken_at, highest]`, oldest first; the next run starts from the first one.
    """

    def __init__(
        self,
        resource: str,
        column: str,
        snapshot: Snapshot,
        lag: timedelta,
        days: Days | None = None,
        is_filled: bool = False,
    ) -> None:
        self.resource = resource
        self.column = column
        self.snapshot = snapshot
        self.lag = lag
        self.days = days
        self.is_filled = is_filled

    def start(self) -> datetime | None:
        """Open this run's note and return the timestamp to read from; none means from the beginning."""
        notes = dlt.current.resource_state(self.resource).setdefault("notes", [[BEGINNING, None]])
        since, last_highest = notes[0][1], notes[-1][1]
        notes.append([self.snapshot.taken_at.isoformat(), last_highest])
        oldest = self.snapshot.oldest_open or self.snapshot.taken_at + timedelta.resolution
        while len(notes) > 1 and datetime.fromisoformat(notes[1][0]) < oldest:
            del notes[0]
        return datetime.fromisoformat(since) - self.lag if since else None

    def changed_rows(self, query: Select, table: Table, *_: Any) -> Select:
        """Limit the query of a table to the rows that may have changed since the last run, or to some days."""
        cursor = table.c[self.column]
        if self.days:
            return query.where(cursor >= self.days.begin, cursor < self.days.end)
        since = self.start()
        if self.is_filled:
            # Its rows will not be seen.
            with self.snapshot.connect() as connection:
                is_past = cursor.between(BEGINNING, self.snapshot.taken_at)
                self.note(connection.execute(Select(func.max(cursor)).where(is_past)).scalar_one())
        return query if since is None else query.where(or_(cursor >= since, cursor.is_(None)))

    def see(self, rows: pa.Table) -> pa.Table:
        """Note the highest timestamp of these rows, those of the future excepted, and pass the rows on."""
        if self.days:
            return rows
        column = rows[self.column]
        now = pa.scalar(self.snapshot.taken_at.replace(tzinfo=None), pa.timestamp("us")).cast(column.type)
        # Times before the year 1 are none that Python knows, nor ones to start from.
        is_past = pc.and_(pc.less_equal(column, now), pc.greater_equal(column, YEAR_1.cast(column.type)))
        self.note(pc.max(column.filter(is_past)).as_py())
        return rows

    def note(self, highest: datetime | None) -> None:
        """Note the highest timestamp so far."""
        notes = dlt.current.resource_state(self.resource)["notes"]
        if highest and (notes[-1][1] is None or highest > datetime.fromisoformat(notes[-1][1])):
            notes[-1][1] = highest.isoformat()
