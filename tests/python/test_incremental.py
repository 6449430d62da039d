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

        run.warehouse, run.manifest = folder / "warehouse.duckdb", manifest
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


def assert_windows_hold(warehouse: Path) -> None:
    """The versions of an entity follow each other without gap, overlap or inversion, and the last one is open."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for snapshot, key in (("snap_customers", "customer_id"), ("snap_products", "product_id")):
            wrong = connection.execute(
                f"""
                select {key}, dbt_valid_from, dbt_valid_to, next_from from (
                    select *, lead(dbt_valid_from) over (partition by {key} order by dbt_valid_from) as next_from
                    from snapshots.{snapshot}
                ) where dbt_valid_to is distinct from next_from or dbt_valid_to <= dbt_valid_from
                """
            ).fetchall()
            assert not wrong, f"{snapshot}: {wrong[:5]}"


def load(history: History, warehouse: Path, **options: int) -> None:
    """One step of a history."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        history.step(connection, **options)


def fail_a_build(history: History, build: Build) -> None:
    """A build that ends in the middle: one raw table cannot be read."""
    schema, table = history.random.choice(["raw_api.refunds", "raw_shop.order_items", "raw_files.clickstream"]).split(
        "."
    )
    history.told.append(f"a build without {schema}.{table}")
    with duckdb.connect(str(build.warehouse)) as connection:
        connection.execute(f"alter table {schema}.{table} rename to hidden")
    assert not build()
    with duckdb.connect(str(build.warehouse)) as connection:
        connection.execute(f"alter table {schema}.hidden rename to {table}")


def set_aside(warehouse: Path, name: str) -> Path:
    """A copy to compare with."""
    return Path(shutil.copy(warehouse, warehouse.with_name(f"{name}.duckdb")))


@pytest.mark.parametrize("seed", range(1, HISTORIES + 1))
def test_increments_end_where_a_full_refresh_does(seed: int, built: Path, build: Build) -> None:
    shutil.copy(built, build.warehouse)
    history = History(seed)
    for number in range(2 if seed % 3 == 0 else 1):
        load(history, build.warehouse)
        if number == 0 and seed % 5 == 0:
            fail_a_build(history, build)
        assert build()
    assert_windows_hold(build.warehouse)
    incremental = set_aside(build.warehouse, "incremental")
    assert build("--full-refresh", *INCREMENTAL)
    found = differences(incremental, build.warehouse)
    assert not found, "\n".join(["", *found, f"History({seed}):", *history.told])


def test_every_mart_follows(built: Path, build: Build) -> None:
    shutil.copy(built, build.warehouse)
    everything = ["--exclude", "path:models/marts/ops", "path:models/staging/ops"]
    load(History(0), build.warehouse, kinds=20)
    assert build(*everything)
    incremental = set_aside(build.warehouse, "incremental")
    assert build(*everything)
    assert not differences(incremental, build.warehouse), "a second build changed something"
    assert build("--full-refresh", *everything)
    assert not differences(incremental, build.warehouse)


def test_the_order_of_loads_changes_nothing(built: Path, build: Build) -> None:
    sources = {
        "shop": ["orders placed", "orders cancelled", "lines deleted", "customers with new addresses"],
        "api": ["rates corrected", "payments fail", "sessions claimed"],
        "files": ["events late", "movements late"],
    }
    for order in (["shop", "api", "files"], ["files", "api", "shop"]):
        shutil.copy(built, build.warehouse)
        for source in order:
            load(History(99), build.warehouse, only=sources[source])
            if source != order[1]:
                assert build()
        ended = set_aside(build.warehouse, order[0])
    assert not differences(ended.with_name("shop.duckdb"), ended)


def test_a_var_changes_what_it_changes_without_being_asked_to(built: Path, build: Build) -> None:
    shutil.copy(built, build.warehouse)
    with_vars = ["--vars", "{session_gap_minutes: 5}", "--select", "+fct_sessions"]
    assert build(*with_vars)
    incremental = set_aside(build.warehouse, "incremental")
    assert differences(incremental, built), "the var changed nothing: this test tests nothing"
    assert build("--full-refresh", *with_vars)
    assert not differences(incremental, build.warehouse)
    assert build("--empty", "--select", "+fct_sessions")
    assert build("--select", "+fct_sessions")
    assert not differences(build.warehouse, built)


# What incremental models read without asking for its changes, and why that loses nothing.
UNASKED = {
    "int_calendar_bounds_derived": "days that the calendar gains or loses are compared with those that the model holds",
    "int_days_spined": "as above",
    "dim_dates": "as above",
    "snap_customers": "its windows are compared with those that the model holds",
}


def test_incremental_models_follow_their_inputs(build: Build) -> None:
    nodes = build.manifest.nodes
    forgotten = []
    for node in nodes.values():
        if node.config.materialized != "incremental":
            continue
        own_text = node.raw_code
        pending, seen = list(node.depends_on.nodes), set()
        while pending:
            parent = nodes.get(pending.pop())
            if parent is None or parent.unique_id in seen or parent.resource_type == "seed":
                continue
            seen.add(parent.unique_id)
            if parent.config.materialized in ("view", "ephemeral"):
                pending += parent.depends_on.nodes
                own_text += parent.raw_code if parent.config.materialized == "ephemeral" else ""
            elif parent.name not in UNASKED and f"changed('{parent.name}'" not in own_text and "touched(" in own_text:
                forgotten.append(f"{node.name} reads {parent.name} and does not ask for its changes")
    assert not forgotten, "\n".join(forgotten)
