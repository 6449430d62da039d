"""Publish the marts: readers see all of a tested build, or what they saw before.

Readers open `<data>/published/marts.duckdb`, a link to the newest state under `states/`. A state is a read-only file
with the marts alone, complete and on disk before the link is turned to it in one step. Whoever has an older state open
keeps reading it. On Postgres states are schemas: publish_postgres.py.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import duckdb

from ingestion.errors import LOCKED, KindError, holder_of_lock
from operations.lock import only_writer
from operations.settings import DATA_DIR, TARGET, WAREHOUSE, is_file, quote, setting, shown, text
from operations.steps import step

PUBLISHED = DATA_DIR / "published" / "marts.duckdb"
STATES = PUBLISHED.parent / "states"
SCHEMA = "marts"
LAST_BUILD = """
    select start.invocation_id, start.run_id, start.command, start.noted_at, finish.nodes_failed, finish.nodes_left_out
    from raw_ops.dbt_invocations as start
    left join raw_ops.dbt_invocations as finish
        on start.invocation_id = finish.invocation_id and finish.event = 'finished'
    where start.event = 'started'
    order by start.noted_at desc
    limit 1
"""


@dataclass(frozen=True)
class State:
    """A published state: a folder named after its time, with the marts and this description as `state.json`."""

    state: str
    run_id: str | None
    invocation_id: str
    rows: dict[str, int]

    @property
    def file(self) -> Path:
        """The DuckDB file of this state. Its name is the name of the database, whatever the link is called."""
        return STATES / self.state / "storehouse.duckdb"


def postgres() -> ModuleType:
    """The same for Postgres."""
    if TARGET != "postgres":
        raise KindError(f"Publishing is for DuckDB and Postgres; readers of {TARGET} read its marts.")
    from operations import publish_postgres

    return publish_postgres


def states() -> list[State]:
    """The states that are kept, the oldest first."""
    if not is_file():
        return postgres().states()
    return [State(**json.loads(path.read_text())) for path in sorted(STATES.glob("2*/state.json"))]


def shown_state() -> State:
    """The state that readers see; an error when there is none."""
    state = current()
    if state is None:
        raise KindError("Nothing is published yet. Run make run first.")
    return state


def current() -> State | None:
    """The state that readers see."""
    if not is_file():
        return postgres().current()
    return next((state for state in states() if state.file == PUBLISHED.resolve()), None)


@contextmanager
def open_state(state: State) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB session with the marts of a state, wherever they are kept: one way to read them for all who do."""
    with duckdb.connect(state.file, read_only=True) if is_file() else duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        if not is_file():
            connection.execute(f"create schema {SCHEMA}")
            postgres().copy_state(state, connection)
        yield connection


def publish() -> State:
    """Copy the marts of the last build, when all of its tests passed, and turn readers to the copy."""
    with step("publish") as outcome, only_writer("publish"):
        state = publish_file() if is_file() else postgres().publish()
        prune()
        outcome.detail = state.state
        return state


def publish_file() -> State:
    """Make a new file and turn the link to it."""
    with open_warehouse() as connection:
        try:
            note = connection.execute(LAST_BUILD.replace("raw_ops.", "warehouse.raw_ops.")).fetchone()
        except duckdb.CatalogException:
            note = None
        run_id, invocation_id = good_build(note)
        candidate = STATES / "candidate"
        shutil.rmtree(candidate, ignore_errors=True)
        candidate.mkdir(parents=True)
        state_id = f"{datetime.now(UTC):%Y%m%dT%H%M%S-%f}"
        state = State(state_id, run_id, invocation_id, copy_marts(connection, candidate / "storehouse.duckdb"))
        (candidate / "state.json").write_text(json.dumps(asdict(state), indent=2))
        for path in candidate.iterdir():
            path.chmod(0o444)
            sync(path)
        sync(candidate)
        candidate.replace(STATES / state_id)
        show(state)
        return state


def rollback(to: str | None = None) -> State:
    """Turn readers back to the state before the one they see, or to a given one that is still kept."""
    with step("rollback") as outcome, only_writer("rollback"):
        kept = states()
        names = [state.state for state in kept]
        if to is not None and to not in names:
            raise KindError(f"There is no state {to}. Kept: {', '.join(names) or 'none'}.")
        seen = current()
        position = names.index(to) if to else names.index(seen.state) - 1 if seen else -1
        if position < 0:
            raise KindError(f"There is no state before the one that readers see. Kept: {', '.join(names) or 'none'}.")
        show(kept[position]) if is_file() else postgres().turn_to(kept[position])
        outcome.detail = names[position]
        return kept[position]


@contextmanager
def open_warehouse():
    """A connection that reads the warehouse under its own name; what goes wrong in it is told in one line."""
    if not WAREHOUSE.exists():
        raise KindError(f"There is no warehouse at {shown(WAREHOUSE)} yet. Run make run first.")
    try:
        with duckdb.connect() as connection:
            connection.execute(f"attach {text(str(WAREHOUSE))} as warehouse (read_only)")
            connection.execute("set TimeZone = 'UTC'")
            yield connection
    except duckdb.IOException as error:
        if holder := holder_of_lock(error):
            raise KindError(
                f"The warehouse {shown(WAREHOUSE)} is open for writing in {holder}. Close it there and try again.",
                LOCKED,
            ) from None
        raise


def good_build(note: tuple | None) -> tuple[str | None, str]:
    """The run and the invocation that built what the warehouse holds; an error when it may not be published."""
    remedy = "Nothing is published; readers still see the last state. Run make build"
    if note is None:
        raise KindError("Nothing was built in this warehouse yet. Run make build.")
    invocation_id, run_id, command, at, failed, left_out = note
    what = f"dbt {command} of {at:%Y-%m-%d %H:%M:%S} UTC"
    if failed is None:
        raise KindError(f"The last {what} did not finish: tables may be half new. {remedy}.")
    if failed:
        raise KindError(f"{failed} models or tests of the last {what} failed. {remedy} when the cause is mended.")
    if left_out:
        raise KindError(f"The last {what} left out {left_out} models or tests. {remedy}, which builds and tests all.")
    return run_id, invocation_id


def copy_marts(connection: duckdb.DuckDBPyConnection, candidate: Path) -> dict[str, int]:
    """Write every table and view of the marts into a new file, with types and comments; return its rows."""
    connection.execute(f"attach {text(str(candidate))} as candidate")
    connection.execute(f"create schema candidate.{SCHEMA}")
    relations = connection.execute(
        f"""
        select table_name as name, comment
        from duckdb_tables() where database_name = 'warehouse' and schema_name = '{SCHEMA}'
        union all
        select view_name, comment
        from duckdb_views() where database_name = 'warehouse' and schema_name = '{SCHEMA}'
        order by name
        """
    ).fetchall()
    rows = {}
    for name, comment in relations:
        table = f"{SCHEMA}.{quote(name)}"
        (rows[name],) = connection.execute(f"create table candidate.{table} as from warehouse.{table}").fetchone()
        if comment:
            connection.execute(f"comment on table candidate.{table} is {text(comment)}")
    columns = connection.execute(
        f"""
        select table_name, column_name, comment
        from duckdb_columns()
        where database_name = 'warehouse' and schema_name = '{SCHEMA}' and comment is not null
        """
    ).fetchall()
    for name, column, comment in columns:
        connection.execute(f"comment on column candidate.{SCHEMA}.{quote(name)}.{quote(column)} is {text(comment)}")
    connection.execute("checkpoint candidate")
    connection.execute("detach candidate")
    return rows


def sync(path: Path) -> None:
    """Wait until a file or a folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def show(state: State) -> None:
    """Turn the readers' link to a state, in one step."""
    # Somebody may have opened the file for writing in spite of its mode; what they left is not part of the state.
    Path(f"{state.file}.wal").unlink(missing_ok=True)
    link = PUBLISHED.with_suffix(".link")
    link.unlink(missing_ok=True)
    link.symlink_to(state.file.relative_to(PUBLISHED.parent))
    link.replace(PUBLISHED)
    sync(STATES)
    sync(PUBLISHED.parent)


def prune(keep: int | None = None) -> None:
    """Delete states beyond the number to keep; never the one that readers see."""
    seen = current()
    for state in states()[: -(keep or setting("keep_states", 3))]:
        if state != seen:
            shutil.rmtree(state.file.parent) if is_file() else postgres().delete(state)
