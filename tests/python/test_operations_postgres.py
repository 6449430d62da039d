"""Publishing on a real Postgres server, while readers read: whole states only, never an error."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg2
import pytest
from conftest import Workspace
from warm import Running

ROWS = 20_000


@dataclass
class Reader(threading.Thread):
    """Reads two tables in one transaction, over and over, and keeps what it saw."""

    url: str
    isolation: str
    seen: list[int] = field(default_factory=list)
    torn: list[tuple] = field(default_factory=list)
    error: str | None = None
    stopped: bool = False

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    __hash__ = threading.Thread.__hash__

    def run(self) -> None:
        connection = psycopg2.connect(self.url)
        connection.set_session(isolation_level=self.isolation)
        try:
            while not self.stopped:
                with connection, connection.cursor() as cursor:
                    cursor.execute("select min(round), max(round), count(*) from first")
                    low, high, rows = cursor.fetchone()
                    cursor.execute("select round from second")
                    (other,) = cursor.fetchone()
                if not (low == high == other and rows == ROWS):
                    self.torn.append((low, high, rows, other))
                if self.seen[-1:] != [low]:
                    self.seen.append(low)
        except Exception as error:
            self.error = repr(error)
        connection.close()


class Rounds:
    """Marts whose rows say which build made them."""

    def __init__(self, space: Workspace) -> None:
        self.space = space
        code = "from warehouses import postgres; print(postgres.url('transformer'), postgres.url('reader'))"
        found = space.run(sys.executable, "-c", code).stdout.split()
        self.urls = dict(zip(("transformer", "reader"), found, strict=True))

    def url(self, role: str) -> str:
        """How a role reaches the server."""
        return self.urls[role]

    def build(self, number: int, failed: int | None = 0) -> None:
        """Leave behind what a build does: the marts, and the note of how it went."""
        connection = psycopg2.connect(self.url("transformer"))
        with connection, connection.cursor() as cursor:
            cursor.execute("create schema if not exists marts")
            cursor.execute("set role warehouse_loader")
            cursor.execute(
                "create table if not exists raw_ops.dbt_invocations (invocation_id text, event text, command text, "
                "run_id text, nodes_failed integer, nodes_left_out integer, noted_at timestamptz)"
            )
            cursor.execute("reset role")
            cursor.execute("drop table if exists marts.first, marts.second")
            cursor.execute(f"create table marts.first as select {number} as round from generate_series(1, {ROWS})")
            cursor.execute(f"create table marts.second as select {number} as round")
            for event, bad in (("started", None), ("finished", failed)):
                cursor.execute(
                    "insert into raw_ops.dbt_invocations values (%s, %s, 'build', null, %s, %s, clock_timestamp())",
                    [f"{number} {failed}", event, bad, bad and 0],
                )
        connection.close()

    def operations(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `python -m operations ...`."""
        return self.space.run(sys.executable, "-m", "operations", *arguments, check=check)

    def start_publish(self) -> Running:
        """Begin to publish."""
        return self.space.warm.start([sys.executable, "-m", "operations", "publish"], self.space.env)

    def shown(self) -> int:
        """The round that readers see."""
        connection = psycopg2.connect(self.url("reader"))
        with connection, connection.cursor() as cursor:
            cursor.execute("select round from second")
            (number,) = cursor.fetchone()
        connection.close()
        return number


@pytest.fixture(scope="module")
def rounds(warm_workspace: Workspace) -> Iterator[Rounds]:
    """A started server, and nothing in it."""
    warm_workspace.warehouses("start", "postgres")
    warm_workspace.connect_warehouse("postgres")
    yield Rounds(warm_workspace)
    warm_workspace.warehouses("stop", "postgres")


def test_only_a_green_build_is_published(rounds: Rounds) -> None:
    assert "Nothing was built" in rounds.operations("publish", check=False).stderr
    rounds.build(1)
    rounds.operations("publish")
    assert rounds.shown() == 1
    for failed, reason in ((2, "2 models or tests"), (None, "did not finish")):
        rounds.build(2, failed=failed)
        refused = rounds.operations("publish", check=False)
        assert refused.returncode == 1 and reason in refused.stderr
        assert rounds.shown() == 1


def test_readers_see_whole_states_only_during_twenty_publishes(rounds: Rounds) -> None:
    readers = [Reader(rounds.url("reader"), level) for level in ("READ COMMITTED", "REPEATABLE READ")]
    for reader in readers:
        reader.start()
    chance, must_be_seen = random.Random(6), set()
    for number in range(3, 23):
        rounds.build(number)
        if number % 4 == 0:
            publishing = rounds.start_publish()
            time.sleep(chance.uniform(0, 0.8))
            publishing.kill()
        else:
            rounds.operations("publish")
            assert rounds.shown() == number
            must_be_seen.add(number)
    time.sleep(1)
    for reader in readers:
        reader.stopped = True
        reader.join()
        assert reader.error is None
        assert reader.torn == []
        assert must_be_seen <= set(reader.seen)
        assert reader.seen == sorted(reader.seen)
    assert len(rounds.operations("states").stdout.splitlines()) == 3


def test_rollback_goes_back_at_once_and_the_next_publish_forward(rounds: Rounds) -> None:
    last = rounds.shown()
    rounds.operations("rollback")
    assert rounds.shown() < last
    rounds.build(23)
    rounds.operations("publish")
    assert rounds.shown() == 23


def test_a_reader_in_the_middle_of_something_is_waited_for_and_holds_nobody_up(rounds: Rounds) -> None:
    rounds.build(24)
    patient = psycopg2.connect(rounds.url("reader"))
    with patient.cursor() as cursor:
        cursor.execute("select count(*) from first")
        publishing = rounds.start_publish()
        time.sleep(4)
        started = time.monotonic()
        assert rounds.shown() == 23
        assert time.monotonic() - started < 3
        cursor.execute("select round from second")
        assert cursor.fetchone() == (23,)
    patient.close()
    assert publishing.wait().returncode == 0
    assert rounds.shown() == 24


def test_a_transaction_that_began_before_a_publish_finds_no_table_empty(rounds: Rounds) -> None:
    rounds.build(25)
    past = psycopg2.connect(rounds.url("reader"))
    past.set_session(isolation_level="REPEATABLE READ")
    with past.cursor() as cursor:
        # From here on it sees the database as it is now; it has not touched a mart yet.
        cursor.execute("select 1")
        publishing = rounds.start_publish()
        time.sleep(4)
        cursor.execute("select min(round), count(*) from first")
        assert cursor.fetchone() == (24, ROWS)
    past.close()
    assert publishing.wait().returncode == 0
    assert rounds.shown() == 25


def test_a_second_writer_on_another_machine_is_refused(rounds: Rounds) -> None:
    other = psycopg2.connect(rounds.url("transformer"))
    with other.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtext('storehouse writer'))")
        refused = rounds.operations("publish", check=False)
    other.close()
    assert refused.returncode == 75
    assert "Another pipeline is writing" in refused.stderr
