"""Any sequence of loads and incremental builds ends in the same tables as one full refresh of the same raw data."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import ROOT, Workspace
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from histories import History

HISTORIES = int(os.environ.get("STOREHOUSE_HISTORIES", "20"))
STEPS = 2
# What is rebuilt whole each time follows from these: `test_every_mart_follows` builds all of it, once.
INCREMENTAL = ["--select", "config.materialized:incremental", "+config.materialized:incremental"]
Build = Callable[..., bool]


@pytest.fixture(scope="module")
def built(pipeline: Workspace) -> Path:
    """The warehouse of the tiny shop, built once."""
    return pipeline.data_dir / "warehouse.duckdb"


@pytest.fixture(scope="module")
def build(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """Run dbt in this process, for a hundred runs cannot each pay for a start."""
    folder = tmp_path_factory.mktemp("histories")
    settings = {
        "STOREHOUSE_DATA_DIR": str(folder),
        "DBT_PROFILES_DIR": str(ROOT / "profiles"),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    quiet = ["--quiet", "--log-level-file", "none", "--no-write-json"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        manifest = dbtRunner().invoke([*quiet, "parse"]).result

        def run(*arguments: str) -> bool:
            command = [*quiet, "build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
            done = dbtRunner(manifest=manifest.deepcopy()).invoke([*command, *(arguments or INCREMENTAL)])
            # The file is copied and compared next.
            DuckDBConnectionManager.env().close()
            DuckDBConnectionManager.close_all_connections()
            return done.success

        run.warehouse = folder / "warehouse.duckdb"
        yield run


def tables(connection: duckdb.DuckDBPyConnection, where: str = "true") -> list[str]:
    """The models that are tables, without the notes on runs."""
    return [
        name
        for (name,) in connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables where table_catalog = 'one' and "
            "table_schema in ('staging', 'intermediate', 'marts') and table_type = 'BASE TABLE' "
            f"and not starts_with(table_name, 'ops_') and not starts_with(table_name, 'stg_ops') and {where} order by 1"
        ).fetchall()
    ]


def differences(one: Path, other: Path) -> list[str]:
    """Which rows two warehouses disagree on: model, key, column and both values."""
    told = []
    with duckdb.connect() as connection:
        connection.execute(f"attach '{one}' as one (read_only); attach '{other}' as other (read_only)")
        for table in tables(connection):
            columns = [name for name, *_ in connection.execute(f"describe one.{table}").fetchall()]
            found = connection.execute(
                f"(select 'incremental' as side, * from (from one.{table} except all from other.{table})) union all "
                f"(select 'full', * from (from other.{table} except all from one.{table})) order by all"
            ).fetchall()
            if found:
                told.append(f"{table}: {len(found)} rows")
                by_key: dict = {}
                for side, *values in found:
                    by_key.setdefault(values[0], {})[side] = values
                for key, sides in list(by_key.items())[:3]:
                    if len(sides) == 2:
                        told += [
                            f"  {columns[0]} {key}: {column} incremental {mine!r}, full {theirs!r}"
                            for column, mine, theirs in zip(columns, sides["incremental"], sides["full"], strict=True)
                            if mine != theirs
                        ]
                    else:
                        told.append(f"  {columns[0]} {key}: only {next(iter(sides))}: {next(iter(sides.values()))}")
    return told


@pytest.mark.parametrize("seed", range(1, HISTORIES + 1))
def test_increments_end_where_a_full_refresh_does(seed: int, built: Path, build: Build) -> None:
    shutil.copy(built, build.warehouse)
    history = History(seed)
    for number in range(STEPS):
        with duckdb.connect(str(build.warehouse)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            history.step(connection)
        if number == 0 and seed % 4 == 0:
            fail_a_build(history, build)
        assert build()
    incremental = build.warehouse.with_name("incremental.duckdb")
    shutil.copy(build.warehouse, incremental)
    assert build("--full-refresh", *INCREMENTAL)
    found = differences(incremental, build.warehouse)
    assert not found, "\n".join(["", *found, f"STOREHOUSE_HISTORIES, seed {seed}:", *history.told])


def fail_a_build(history: History, build: Build) -> None:
    """A build that ends in the middle: one raw table cannot be read."""
    table = history.random.choice(
        ["raw_api.refunds", "raw_shop.order_items", "raw_files.clickstream", "raw_api.payments"]
    )
    history.told.append(f"a build without {table}")
    for old, new in ((table, "hidden"), (f"{table.split('.')[0]}.hidden", table.split(".")[1])):
        with duckdb.connect(str(build.warehouse)) as connection:
            connection.execute(f"alter table {old} rename to {new}")
        if new == "hidden":
            assert not build()
