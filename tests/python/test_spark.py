"""The Spark warehouse through its command line: a real master, two workers, Iceberg tables and a tiny shop."""

import shlex
import sys
from collections.abc import Iterator

import pytest
from conftest import Workspace

QUICK = "-XX:TieredStopAtLevel=1"


def warehouses(space: Workspace, *arguments: str, **options):
    """Run `python -m warehouses ...`."""
    return space.run(sys.executable, "-m", "warehouses", *arguments, **options)


@pytest.fixture(scope="module")
def lake(workspace: Workspace) -> Iterator[Workspace]:
    """One shop on DuckDB and on Spark, compared mart by mart, with everything still running."""
    # A tiny shop is built before Java's second compiler pays.
    workspace.settings["JAVA_TOOL_OPTIONS"] = QUICK
    done = warehouses(workspace, "parity", "--targets", "dev", "spark", "--increments", "0", "--no-tests", "--keep")
    assert "✓ dev = spark" in done.stdout
    space = Workspace(workspace.data_dir / "parity", {"JAVA_TOOL_OPTIONS": QUICK})
    space.connect_shop()
    for line in warehouses(space, "env", "spark").stdout.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        space.settings[name] = shlex.split(value)[0]
    yield space
    for server in ("spark", "postgres"):
        warehouses(space, "stop", server)
    space.demo("stop")


# One session does all of it: each costs half a minute.
LOOK = """
import duckdb
from warehouses import care, lake, spark

sums = "count(*), count(distinct _dlt_load_id), max(_dlt_load_id)"
tables = ["raw_shop.orders", "raw_api.payments"]
with duckdb.connect(lake.landing_file(), read_only=True) as landing, spark.session() as session:
    for dataset, table, _ in lake.landed_tables(landing):
        landed = landing.execute(f"select {sums} from {dataset}.{table}").fetchone()
        assert landed == tuple(session.sql(f"select {sums} from {dataset}.{table}").first()), (dataset, table)
        print("same", dataset, table)
    care.look_after(session, tables, 0, dry_run=True)
    care.look_after(session, tables, 0, dry_run=False)
    care.look_after(session, tables, 0, dry_run=True)
    held = landing.execute("select count(*) from raw_shop.orders").fetchone()[0]
    assert session.table("raw_shop.orders").count() == held
"""


def test_a_load_brings_what_changed_and_care_forgets_what_was(lake):
    lake.demo("advance", "--days", "3")
    lake.ingest()
    said = lake.run(sys.executable, "-c", LOOK).stdout
    assert said.count("same raw_") > 15
    planned, done, again = said.partition("Would be done")[2].split("tables looked at")[:3]
    assert "raw_shop.orders" in planned and "raw_shop.orders" in done
    assert "2 of them need nothing" in said.rpartition("looked at")[2], again
