"""Publishing on Postgres: readers see the tables of the schema `published`, which change all at once.

A state is a schema of its own, filled and committed before it takes the name that readers know. Taking it waits for
readers who are in the middle of something, but a moment at a time only, so that nobody queues up behind.
"""

import json
import random
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import psycopg2

from ingestion.errors import LOCKED, KindError
from operations.publish import LAST_BUILD, SCHEMA, State, good_build
from operations.settings import DATA_DIR, quote, text
from warehouses import postgres

SHOWN = "published"
CANDIDATE = "published_candidate"
WAIT = "250ms"
TRIES = 200
READERS_OF_THE_PAST = """
    select pid from pg_stat_activity
    where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()
        and age(backend_xmin) > age(cast(%s as xid))
"""


@contextmanager
def session() -> Iterator[Any]:
    """A session of the role that owns the marts; every statement stands for itself."""
    with closing(postgres.connect("transformer")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor


def publish() -> State:
    """Copy the marts of the last build, when all of its tests passed, and turn readers to the copy."""
    with session() as cursor:
        try:
            cursor.execute(LAST_BUILD)
            note = cursor.fetchone()
        except psycopg2.errors.UndefinedTable:
            note = None
        run_id, invocation_id = good_build(note)
        cursor.execute(f"drop schema if exists {CANDIDATE} cascade")
        cursor.execute(f"create schema {CANDIDATE}")
        cursor.execute("select table_name from information_schema.tables where table_schema = %s order by 1", [SCHEMA])
        rows = {}
        for (mart,) in cursor.fetchall():
            cursor.execute(f"create table {CANDIDATE}.{quote(mart)} as select * from {SCHEMA}.{quote(mart)}")
            rows[mart] = cursor.rowcount
        state = State(f"{datetime.now(UTC):%Y%m%dT%H%M%S-%f}", run_id, invocation_id, rows)
        cursor.execute(f"comment on schema {CANDIDATE} is {text(json.dumps(asdict(state)))}")
        cursor.execute(f"grant usage on schema {CANDIDATE} to warehouse_reader")
        cursor.execute(f"grant select on all tables in schema {CANDIDATE} to warehouse_reader")
        cursor.execute("select pg_current_xact_id()::xid")
        show(cursor, CANDIDATE, newer_than=cursor.fetchone()[0])
        return state


def states() -> list[State]:
    """The states that are kept, the oldest first."""
    with session() as cursor:
        return sorted(described(cursor, f"{SHOWN}%"), key=lambda state: state.state)


def current() -> State | None:
    """The state that readers see."""
    with session() as cursor:
        return next(described(cursor, SHOWN), None)


def turn_to(state: State) -> None:
    """Turn readers to a state that is kept."""
    with session() as cursor:
        if state != current():
            show(cursor, kept_as(state))


def delete(state: State) -> None:
    """Delete a state that readers do not see."""
    with session() as cursor:
        cursor.execute(f"drop schema {kept_as(state)} cascade")


def copy_state(state: State, connection: duckdb.DuckDBPyConnection) -> None:
    """Copy the tables of the state that readers see into DuckDB, all of them from one moment."""
    with (
        TemporaryDirectory(dir=DATA_DIR) as folder,
        closing(postgres.connect("transformer")) as source,
        source.cursor() as cursor,
    ):
        for mart in state.rows:
            rows = postgres.as_csv(cursor, SHOWN, mart, Path(folder) / "rows.csv")
            connection.execute(f"create table {SCHEMA}.{quote(mart)} as from {rows}")


def described(cursor: Any, pattern: str) -> Iterator[State]:
    """The states among the schemas of a name."""
    cursor.execute(
        "select obj_description(oid, 'pg_namespace') from pg_namespace where nspname like %s and nspname <> %s",
        [pattern, CANDIDATE],
    )
    for (comment,) in cursor.fetchall():
        if comment:
            yield State(**json.loads(comment))


def kept_as(state: State) -> str:
    """The schema of a state that readers do not see."""
    return quote(f"{SHOWN}_{state.state}")


def show(cursor: Any, schema: str, newer_than: str | None = None) -> None:
    """Give a schema the name that readers know, in one transaction, when no reader is in the middle of something."""
    seen = current()
    for _ in range(TRIES):
        try:
            cursor.execute(f"begin; set local lock_timeout = '{WAIT}'")
            if seen:
                # Whoever reads one table now must not find another state in the next one.
                tables = ", ".join(f"{SHOWN}.{quote(mart)}" for mart in seen.rows)
                cursor.execute(f"lock table {tables} in access exclusive mode")
                # Nor must a transaction that looks at the past find the new tables, which were empty then.
                cursor.execute(READERS_OF_THE_PAST, [newer_than])
                if cursor.fetchone():
                    raise psycopg2.errors.LockNotAvailable
                cursor.execute(f"alter schema {SHOWN} rename to {kept_as(seen)}")
            cursor.execute(f"alter schema {schema} rename to {SHOWN}")
            return cursor.execute("commit")
        except (psycopg2.errors.LockNotAvailable, psycopg2.errors.DeadlockDetected):
            cursor.execute("rollback")
            time.sleep(random.uniform(0.05, 0.3))
    cursor.execute(
        "select string_agg(distinct pid::text, ', ') from "
        f"(select pid from pg_locks where relation::regclass::text like %s union {READERS_OF_THE_PAST}) as readers",
        [f"{SHOWN}.%", newer_than],
    )
    raise KindError(
        f"Somebody reads the published tables all the time (server processes {cursor.fetchone()[0]}). Nothing is "
        "changed; readers still see the last state. End what they do, or publish later.",
        LOCKED,
    )
