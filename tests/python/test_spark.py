"""The Spark warehouse through its command line: a real master, two workers, Iceberg tables and a tiny shop."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from conftest import BIN, JARS, ROOT, Workspace

# A tiny shop is built before Java's second compiler pays, and Spark's own classes need no checks.
QUICK = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions -XX:-BytecodeVerificationRemote"
# They take longer than `make test` has: `make spark-test` runs them.
faults = pytest.mark.faults


def parity(workspace: Workspace, *options: str, builds: str = "full", hurt: Callable[[], Any] | None = None) -> str:
    """Build on DuckDB and on Spark and compare; returns what the command said. Spark may be hurt when it has begun."""
    said, log = workspace.data_dir / "parity.out", workspace.data_dir / "parity" / "spark.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "warehouses", "parity", "--targets", "dev", "spark", *options]
    environment = workspace.env | {"JAVA_TOOL_OPTIONS": QUICK, "STOREHOUSE_LAKE_BUILDS": builds}
    with (
        said.open("w") as stream,
        subprocess.Popen(
            [*command, "--no-tests", "--keep"], cwd=ROOT, env=environment, stdout=stream, stderr=stream
        ) as process,
    ):
        if hurt:
            while not (log.exists() and "START sql incremental model marts." in log.read_text()):
                assert process.poll() is None, said.read_text()
                time.sleep(0.2)
            hurt()
    return said.read_text()


def processes(space: Workspace) -> list[int]:
    """The processes of the cluster: the master, then the workers."""
    return json.loads((space.data_dir / "warehouses" / "spark" / "state.json").read_text())["pids"]


@pytest.fixture(scope="module")
def lake(workspace: Workspace) -> Iterator[Workspace]:
    """A shop on DuckDB and on Spark, to which it was carried: built there as a whole, then from what changed."""
    space = Workspace(workspace.data_dir / "parity", {"JAVA_TOOL_OPTIONS": QUICK})
    (space.data_dir / "warehouses").mkdir(parents=True)
    (space.data_dir / "warehouses" / "jars").symlink_to(JARS)
    try:
        said = parity(workspace, "--increments", "2", "--carry-at", "1", builds="changes")
        assert "✓ dev = spark" in said, said
        space.connect_shop()
        space.connect_warehouse("spark")
        yield space
    finally:
        for server in ("spark", "postgres"):
            space.warehouses("stop", server)
        space.demo("stop")


@contextmanager
def limited_files(pids: list[int], size: int) -> Iterator[None]:
    """Let no file that these processes and their children write grow over a size: to them, the disk is full."""
    limits = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, most) in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, most))
    yield
    for pid, limit in limits.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, limit)


def assert_merged(lake: Workspace) -> None:
    """The last build was one of changes."""
    log = (lake.data_dir / "dbt" / "spark" / "logs" / "dbt.log").read_text()
    assert "merge into marts.fct_order_lines as held" in log, "built in full"


def test_marts_are_equal_built_whole_and_from_what_changed(lake):
    assert_merged(lake)


@faults
def test_a_catalog_that_is_lost_in_the_middle_of_a_build_is_made_up_for(workspace, lake):
    said = parity(workspace, "--increments", "1", hurt=lambda: lake.warehouses("stop", "postgres"))
    assert "the build failed" in said, said
    # The worker goes with its executor, as if the machine were gone.
    said = parity(workspace, "--increments", "0", hurt=lambda: os.killpg(processes(lake)[-1], signal.SIGKILL))
    assert "✓ dev = spark" in said, said
    lake.warehouses("start", "spark")
    lake.connect_warehouse("spark")


@faults
def test_a_catalog_out_of_reach_is_named_in_one_line(lake):
    lake.demo("advance", "--days", "3")
    lake.warehouses("stop", "postgres")
    for command in (("scripts/preflight.py",), ("-m", "ingestion")):
        done = lake.run(sys.executable, *command, check=False)
        assert done.returncode == 1
        assert "python -m warehouses start spark" in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
    lake.warehouses("start", "spark")


@faults
def test_a_full_disk_of_a_worker_is_named_and_the_next_load_catches_up(lake):
    with limited_files(processes(lake)[1:], 4096):
        done = lake.ingest(check=False)
    assert done.returncode == 1
    assert "The disk is full" in done.stderr
    lake.ingest()


@faults
def test_what_faults_left_out_is_merged_into_the_same_marts(workspace, lake):
    said = parity(workspace, "--increments", "0", builds="changes")
    assert "✓ dev = spark" in said, said
    assert_merged(lake)


@faults
def test_spark_sql_answers_as_the_docs_say(lake):
    query = "select count(*), 'marts' from marts.agg_daily_sales"
    command = ("-m", "warehouses", "with", "spark", "--", str(BIN / "spark-sql"), "-e", query)
    [[days]] = lake.warehouse("select count(*) from marts.agg_daily_sales")
    assert f"{days}\tmarts" in lake.run(sys.executable, *command).stdout


# One session does all of it: each costs half a minute.
LOOK = """
import os
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from warehouses import care, lake, spark

mart = "marts.agg_daily_sales"
tables = ["raw_shop.orders", mart]
with spark.session() as session:
    with duckdb.connect(lake.landing_file()) as landing:
        for dataset, table, _ in lake.landed_tables(landing):
            column, name = lake.load_column(f".{table}"), f"{dataset}.{table}"
            rows_by_load = f"select {column}, count(*) from {name} group by {column}"
            assert sorted(session.sql(rows_by_load).collect()) == sorted(landing.execute(rows_by_load).fetchall()), name
            print("same", name)

        # A load with an older id than others, which was held up and changes rows only.
        landing.execute("update raw_shop.orders set coupon_code = 'late', _dlt_load_id = '1' where order_id % 50 = 7")
        landing.execute("insert into raw_shop._dlt_loads values ('1', 'shop', 0, now(), '')")
    lake.deliver()
    coupons = "select order_id, coupon_code, _dlt_load_id from raw_shop.orders order by order_id"
    with duckdb.connect(lake.landing_file(), read_only=True) as landing:
        assert session.sql(coupons).collect() == landing.execute(coupons).fetchall()

    then, before = datetime.now(UTC), sorted(session.table(mart).collect())
    session.sql(f"delete from {mart} where orders > 0")
    as_of = f"select * from {mart} timestamp as of '{then:%Y-%m-%d %H:%M:%S.%f}'"
    now = sorted(session.table(mart).collect())
    assert sorted(session.sql(as_of).collect()) == before != now

    file = session.sql("select file_path from raw_shop.orders.files").first()[0]
    orphan = Path(file.removeprefix("file:")).with_name("left-behind.parquet")
    orphan.touch()
    os.utime(orphan, (0, 0))
    care.look_after(session, tables, 0, dry_run=True)
    assert sorted(session.sql(as_of).collect()) == before and orphan.exists()
    care.look_after(session, tables, 0, dry_run=False)
    assert not orphan.exists()
    care.look_after(session, tables, 0, dry_run=True)
    assert sorted(session.table(mart).collect()) == now
    assert session.sql(f"select count(*) from {mart}.snapshots").first()[0] == 1
"""


@faults
def test_time_travel_shows_what_was_until_care_forgets_it(lake):
    said = lake.run(sys.executable, "-c", LOOK).stdout
    assert said.count("same raw_") > 15
    planned, done, again = said.partition("Would be done")[2].split("tables looked at")[:3]
    assert "raw_shop.orders" in planned and "raw_shop.orders" in done
    assert "2 of them need nothing" in said.rpartition("looked at")[2], again
