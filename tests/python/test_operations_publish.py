"""Publishing while readers read: whole states only, never an error, never a wait, whatever happens to the build."""

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import duckdb
import pytest
from conftest import BIN, ROOT, Workspace

ROWS = 20_000
# A pipeline of three tables in a row; the round that built it stands in every row. `raw.control` says how it goes.
PROJECT = {
    "dbt_project.yml": f"""
        name: rounds
        version: "0.1.0"
        config-version: 2
        profile: storehouse
        macro-paths: ["{ROOT}/macros/operations", "{ROOT}/macros/naming", "{ROOT}/macros/types"]
        flags: {{send_anonymous_usage_stats: false}}
        on-run-start: "{{{{ note_invocation('started') }}}}"
        on-run-end: "{{{{ note_invocation('finished') }}}}"
        models: {{+schema: marts, +materialized: table}}
    """,
    "models/sources.yml": """
        sources:
          - name: ops
            schema: raw_ops
            tables:
              - name: dbt_invocations
                columns:
                  - {name: invocation_id, data_type: text}
                  - {name: event, data_type: text}
                  - {name: command, data_type: text}
                  - {name: run_id, data_type: text}
                  - {name: nodes_failed, data_type: integer}
                  - {name: nodes_left_out, data_type: integer}
                  - {name: noted_at, data_type: timestamptz}
    """,
    "models/first.sql": f"select control.round, range as id from raw.control, range({ROWS})",
    "models/first.yml": """
        models:
          - name: first
            description: It's the first.
            config: {persist_docs: {relation: true, columns: true}}
            columns: [{name: id, description: The row's number.}]
    """,
    "models/second.sql": """
        with numbers as (select unnest(range(size)) from raw.control)
        select any_value(round) as round, cast(sum(id) as decimal(18, 4)) as total
        from {{ ref('first') }} where 0 < (select count(*) from numbers as a, numbers as b)
    """,
    "models/third.sql": "select first.round, first.id from {{ ref('first') }} as first, {{ ref('second') }} as second",
    "models/view_of_all.sql": "{{ config(materialized='view') }} select count(*) as total from {{ ref('third') }}",
    "tests/assert_not_broken.sql": "select 1 as one from {{ ref('third') }}, raw.control where broken limit 1",
}
# Opens the published file over and over, and keeps one session open all the time, until a file appears.
READER = """
import duckdb, json, os, pathlib, sys, time
os.nice(19)  # what it reads almost without pause must not slow down what it watches
published, stop = sys.argv[1:]
look = '''
    select min(round), max(round), count(*) from (
        select round, id from marts.first union all select round, id from marts.third
        union all select round, 0 from marts.second
    )
'''
patient = duckdb.connect(published, read_only=True, config={'threads': 1})
kept, seen, opened, error = patient.execute(look).fetchone(), [], 0, None
try:
    while not pathlib.Path(stop).exists():
        other = duckdb.connect(config={'threads': 1})
        other.execute(f"attach '{published}' as shop (read_only)")
        other.execute('use shop')
        state = other.execute(look).fetchone()
        other.close()
        assert patient.execute(look).fetchone() == kept
        opened += 1
        time.sleep(0.02)
        if not seen or seen[-1] != state:
            seen.append(state)
except Exception as problem:
    error = repr(problem)
print(json.dumps({'seen': seen, 'opened': opened, 'error': error}))
"""


class Rounds:
    """Builds and publishes the small project."""

    def __init__(self, space: Workspace, project: Path) -> None:
        self.space = space
        self.published = space.data_dir / "published" / "marts.duckdb"
        self.dbt = [str(BIN / "dbt"), "--no-use-colors", "build", "--project-dir", str(project)]

    def build(self, *arguments: str, **control: object) -> int:
        """Build one round; return the exit code."""
        self.control(**control)
        return self.space.run(*self.dbt, *arguments, check=False).returncode

    def control(self, round: int, broken: bool = False, slow: bool = False) -> None:
        """Say what the next build finds."""
        with duckdb.connect(self.space.data_dir / "warehouse.duckdb") as connection:
            connection.execute("create schema if not exists raw")
            connection.execute(
                "create or replace table raw.control as select ? as round, ? as broken, ? as size",
                [round, broken, 1_000_000 if slow else 1],
            )

    def start(self, *command: str) -> subprocess.Popen:
        """Start a program that looks on."""
        return subprocess.Popen(command, cwd=ROOT, env=self.space.env, stdout=subprocess.PIPE, text=True)

    def build_and_kill(self, round: int) -> None:
        """Kill a build when it has changed the first table and is at work on the second."""
        self.control(round, slow=True)
        running = self.space.warm.start(self.dbt, self.space.env)
        running.until("OK created sql table model marts.first")
        assert running.kill() == -signal.SIGKILL

    def publish_and_kill(self, seconds: float) -> None:
        """Kill a publish after a moment."""
        running = self.space.warm.start([sys.executable, "-m", "operations", "publish"], self.space.env)
        time.sleep(seconds)
        running.kill()

    def publish(self) -> subprocess.CompletedProcess[str]:
        """Publish; the caller looks at what came of it."""
        return self.space.run(sys.executable, "-m", "operations", "publish", check=False)

    def operations(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """Run `python -m operations ...`."""
        return self.space.run(sys.executable, "-m", "operations", *arguments, **options)

    def look(self, sql: str) -> list[tuple]:
        """Ask the published file."""
        with duckdb.connect(self.published, read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def shown(self) -> int:
        """The round that readers see."""
        return self.look("select any_value(round) from marts.first")[0][0]


@pytest.fixture(scope="module")
def rounds(warm_workspace: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rounds]:
    """The small project, before its first build."""
    project = tmp_path_factory.mktemp("rounds")
    for name, content in PROJECT.items():
        path = project / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(content))
    yield Rounds(warm_workspace, project)


def test_nothing_is_published_before_a_build(rounds: Rounds) -> None:
    nothing = rounds.publish()
    assert nothing.returncode == 1
    assert nothing.stderr.startswith("✗ There is no warehouse at") and "Traceback" not in nothing.stderr
    assert not (rounds.space.data_dir / "warehouse.duckdb").exists()


def test_a_published_state_has_tables_for_views_and_keeps_types_and_comments(rounds: Rounds) -> None:
    rounds.build(round=1)
    assert rounds.publish().returncode == 0
    assert rounds.look("select total from marts.view_of_all") == [(ROWS,)]
    assert rounds.look("select distinct schema_name from duckdb_tables()") == [("marts",)]
    assert rounds.look("select data_type from duckdb_columns() where data_type like 'DEC%'") == [("DECIMAL(18,4)",)]
    assert rounds.look("select comment from duckdb_tables() where table_name = 'first'") == [("It's the first.",)]
    comments = "select comment from duckdb_columns() where table_name = 'first' and column_name = 'id'"
    assert rounds.look(comments) == [("The row's number.",)]
    assert rounds.published.stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--select", "first"], "left out 4 models or tests"),
        (["--empty"], "left out 5 models or tests"),
        ([], "2 models or tests of the last dbt build"),
    ],
)
def test_only_a_whole_and_green_build_is_published(rounds: Rounds, arguments: list[str], reason: str) -> None:
    rounds.build(*arguments, round=2, broken=not arguments)
    refused = rounds.publish()
    assert refused.returncode == 1
    assert reason in refused.stderr and "readers still see the last state" in refused.stderr
    assert rounds.shown() == 1


def test_readers_see_whole_states_only_during_twenty_builds(rounds: Rounds, tmp_path: Path) -> None:
    stop = tmp_path / "stop"
    reader = rounds.start(sys.executable, "-c", READER, str(rounds.published), str(stop))
    chance = random.Random(6)
    may_be_seen, must_be_seen = {1}, {1}
    for number in range(2, 22):
        if number % 5 == 0:
            assert rounds.build(round=number, broken=True) == 1
            assert rounds.publish().returncode == 1
        elif number % 7 == 0:
            rounds.build_and_kill(round=number)
            assert "did not finish" in rounds.publish().stderr
        elif number % 4 == 0:
            assert rounds.build(round=number) == 0
            rounds.publish_and_kill(chance.uniform(0, 0.4))
            may_be_seen.add(number)
        else:
            assert rounds.build(round=number) == 0
            assert rounds.publish().returncode == 0
            assert rounds.shown() == number
            may_be_seen.add(number)
            must_be_seen.add(number)
    time.sleep(1)
    stop.touch()
    found = json.loads(reader.communicate()[0])
    assert found["error"] is None
    assert found["opened"] > 100
    assert all(low == high and count == 2 * ROWS + 1 for low, high, count in found["seen"]), found["seen"]
    order = [low for low, _, _ in found["seen"]]
    assert order == sorted(order)
    assert must_be_seen <= set(order) <= may_be_seen
    assert len(rounds.operations("states").stdout.splitlines()) == 3
    assert not list(rounds.published.parent.rglob("*.wal"))


def test_rollback_goes_back_at_once_and_the_next_publish_forward(rounds: Rounds) -> None:
    last = rounds.shown()
    rounds.operations("rollback")
    before = rounds.shown()
    assert before < last
    rounds.operations("rollback")
    assert rounds.shown() < before
    assert "no state before" in rounds.operations("rollback", check=False).stderr
    newest = rounds.operations("states").stdout.splitlines()[-1].split()[0]
    rounds.operations("rollback", "--to", newest)
    assert rounds.shown() == last
    rounds.build(round=22)
    rounds.publish()
    assert rounds.shown() == 22


def test_a_warehouse_open_for_writing_elsewhere_is_named(rounds: Rounds) -> None:
    script = "import duckdb, sys, time; c = duckdb.connect(sys.argv[1]); print('open', flush=True); time.sleep(60)"
    analyst = rounds.start(sys.executable, "-c", script, str(rounds.space.data_dir / "warehouse.duckdb"))
    analyst.stdout.readline()
    refused = rounds.publish()
    analyst.kill()
    analyst.wait()
    assert refused.returncode == 75
    assert f"open for writing in process {analyst.pid}" in refused.stderr
