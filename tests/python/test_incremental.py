"""Any sequence of loads and incremental builds ends in the same tables as one full refresh of the same raw data."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest
from conftest import BIN, ROOT, Workspace
from dbt.adapters.duckdb.connections import DuckDBConnectionManager
from dbt.cli.main import dbtRunner
from dbt.contracts.graph.manifest import Manifest
from dbt_common.events.base_types import EventMsg
from histories import History
from traps import BUILT, BUILT_EMPTY, UNIT_TESTED, VERSIONED, Trap

HISTORIES = int(os.environ.get("STOREHOUSE_HISTORIES", "20"))
# What is rebuilt whole each time follows from these: `test_every_mart_follows` builds all of it, once.
INCREMENTAL = ["--select", "config.materialized:incremental", "+config.materialized:incremental"]
EVERYTHING = ["--exclude", "path:models/marts/ops", "path:models/staging/ops"]
HISTORY_OF_CUSTOMERS = ["--select", "+dim_customers_history"]
QUIET = ["--quiet", "--log-level-file", "none", "--no-write-json"]


class Builder:
    """
    Builds the workspace's warehouse in this process, for a hundred builds cannot each pay for a start of dbt. What dbt
    sends does not depend on the rows, so most builds of the histories are what it sent before, sent again.
    """

    def __init__(self, workspace: Workspace) -> None:
        self.warehouse = workspace.data_dir / "warehouse.duckdb"
        self.manifest = dbtRunner().invoke([*QUIET, "parse"]).result
        self.sent: list[str] = []
        self.known: dict[tuple[str, ...], list[str]] = {}

    def __call__(self, *arguments: str) -> bool:
        """Run `dbt build` without tests; by default the incremental models and what they read."""
        self.sent = []
        command = [*QUIET, "build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test"]
        runner = dbtRunner(manifest=self.manifest.deepcopy(), callbacks=[self.note])
        done = runner.invoke([*command, *(arguments or INCREMENTAL)])
        # The file is copied and compared next.
        DuckDBConnectionManager.env().close()
        DuckDBConnectionManager.close_all_connections()
        return done.success

    def note(self, event: EventMsg) -> None:
        """Keep a statement that dbt sends. What only reads the catalog changes nothing, and seeds never change."""
        if event.info.name == "SQLQuery" and event.data.node_info.resource_type != "seed":
            statement = re.sub(r"^\s*/\*.*?\*/\s*", "", event.data.sql, flags=re.DOTALL)
            # Nor do the notes on the run itself, which have a time.
            if statement and not re.match(r"select|begin|commit|rollback|insert .*dbt_invocations", statement, re.I):
                statement = re.sub(r"__dbt_tmp\d+", "__dbt_tmp", statement)
                self.sent.append(statement.replace(event.info.invocation_id, "an invocation"))

    def repeat(self, *arguments: str, by_dbt: bool = False) -> None:
        """A build that dbt has done before: its statements again, unless dbt shall prove that they are the same."""
        if by_dbt or arguments not in self.known:
            assert self(*arguments)
            assert sorted(self.known.setdefault(arguments, self.sent)) == sorted(self.sent)
            return
        with duckdb.connect(str(self.warehouse)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            for statement in self.known[arguments]:
                connection.execute(statement)


@pytest.fixture(scope="module")
def build(tiny_shop: Workspace) -> Iterator[Builder]:
    """Builds in the workspace of the tiny shop."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tiny_shop.env.items():
            patch.setenv(name, value)
        yield Builder(tiny_shop)


@pytest.fixture(scope="module")
def built(tiny_shop: Workspace, build: Builder) -> Path:
    """The warehouse of the tiny shop, loaded and built once; what test_pipeline.py tests is not tested again."""
    tiny_shop.ingest()
    assert build("--select", "*")
    return set_aside(build.warehouse, "built")


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
            # Whole rows are compared only where the sums of their hashes differ, which takes a quarter of the time.
            sums = f"select count(*), sum(hash(row_)::hugeint) from {{}}.{table} as row_"
            if len({connection.execute(sums.format(side)).fetchone() for side in ("one", "other")}) == 1:
                continue
            columns = [name for name, *_ in connection.execute(f"describe one.{table}").fetchall()]
            found = connection.execute(
                f"(select 'incremental' as side, * from (from one.{table} except all from other.{table})) union all "
                f"(select 'full', * from (from other.{table} except all from one.{table})) order by all"
            ).fetchall()
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


def fail_a_build(history: History, build: Builder) -> None:
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
def test_increments_end_where_a_full_refresh_does(seed: int, built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    history = History(seed)
    by_dbt = seed % 20 == 7
    for number in range(2 if seed % 3 == 0 else 1):
        load(history, build.warehouse)
        if by_dbt:
            fail_a_build(history, build)
        build.repeat(by_dbt=by_dbt and number == 0)
    assert_windows_hold(build.warehouse)
    incremental = set_aside(build.warehouse, "incremental")
    build.repeat("--full-refresh", *INCREMENTAL, by_dbt=by_dbt)
    found = differences(incremental, build.warehouse)
    assert not found, "\n".join(["", *found, f"History({seed}):", *history.told])


def test_every_mart_follows(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    load(History(0), build.warehouse, kinds=20)
    build.repeat(*EVERYTHING)
    incremental = set_aside(build.warehouse, "incremental")
    build.repeat(*EVERYTHING)
    assert not differences(incremental, build.warehouse), "a second build changed something"
    build.repeat("--full-refresh", *EVERYTHING)
    assert not differences(incremental, build.warehouse)


def test_a_shop_may_be_paid_before_its_first_order_and_have_no_order_at_all(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    for change in (
        # Payments of the first order, and a refund that its provider dates before the order
        """
        update raw_api.payments set created_at = '2023-01-02T23:30:00Z', _dlt_load_id = '9999999998'
        where order_id = (select order_id from marts.fct_orders order by ordered_at limit 1)::text;
        update raw_api.refunds set refunded_at = '2023-01-02T23:30:00Z', _dlt_load_id = '9999999998'
        where refund_id = (select max(refund_id) from marts.fct_refunds where is_sale);
        insert into raw_api._dlt_loads values ('9999999998', 'api', 0, now(), '')
        """,
        """
        delete from raw_shop.orders;
        insert into raw_shop._dlt_loads values ('9999999999', 'shop', 0, now(), '')
        """,
    ):
        execute(build.warehouse, change)
        build.repeat(*EVERYTHING)
        incremental = set_aside(build.warehouse, "incremental")
        build.repeat("--full-refresh", *EVERYTHING)
        assert not differences(incremental, build.warehouse)


def test_the_order_of_loads_changes_nothing(built: Path, build: Builder) -> None:
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
                build.repeat()
        ended = set_aside(build.warehouse, order[0])
    assert not differences(ended.with_name("shop.duckdb"), ended)


def test_a_var_changes_what_it_changes_without_being_asked_to(built: Path, build: Builder) -> None:
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


MONTHLY, SCORED = "agg_customers_monthly", "rpt_customer_rfm_history"


def edit(thing: object, attribute: str) -> None:
    """Change a text a little."""
    setattr(thing, attribute, getattr(thing, attribute) + " ")


# What changed since the last build, and which of the two models have to be built in full for it.
CHANGED: dict[str, tuple[set[str], Callable[[Manifest, duckdb.DuckDBPyConnection], object]]] = {
    "nothing": (set(), lambda manifest, warehouse: None),
    "code of a parent": (
        {MONTHLY, SCORED},
        lambda manifest, warehouse: edit(manifest.nodes[f"model.storehouse.{MONTHLY}"], "raw_code"),
    ),
    "a macro": (
        {SCORED},
        lambda manifest, warehouse: edit(manifest.macros["macro.storehouse.rfm_score"], "macro_sql"),
    ),
    "a seed": (
        {SCORED},
        lambda manifest, warehouse: edit(manifest.nodes["seed.storehouse.customer_value_tiers"].checksum, "checksum"),
    ),
    "raw data from nothing": (
        {MONTHLY, SCORED},
        lambda manifest, warehouse: warehouse.execute("update raw_shop._dlt_loads set load_id = 'new' || load_id"),
    ),
    "what the warehouse remembers": (
        {MONTHLY, SCORED},
        lambda manifest, warehouse: warehouse.execute("drop schema build_state cascade"),
    ),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_build_is_full_where_something_else_than_rows_changed(
    what: str, built: Path, build: Builder, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(built, build.warehouse)
    full, change = CHANGED[what]
    monkeypatch.setattr(build, "manifest", build.manifest.deepcopy())
    with duckdb.connect(str(build.warehouse)) as connection:
        change(build.manifest, connection)
    assert build("--select", "customer_value_tiers", MONTHLY, SCORED)
    sent = "\n".join(build.sent)
    assert {model for model in (MONTHLY, SCORED) if f"select '{model}', changed." not in sent} == full


def test_the_warehouse_forgets_what_every_model_has_taken_in(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    of_state = "select min(change_number), max(change_number) from build_state.changes"
    with duckdb.connect(str(build.warehouse)) as connection:
        connection.execute("insert into build_state.models values ('a model that is gone', '', 0)")
        _, last = connection.execute(of_state).fetchone()
    assert build()
    with duckdb.connect(str(build.warehouse)) as connection:
        first, _ = connection.execute(of_state).fetchone()
        gone = connection.execute("from build_state.models where model_name = 'a model that is gone'").fetchall()
    assert first > last and not gone


def execute(warehouse: Path, *statements: str) -> None:
    """Change the warehouse by hand."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for statement in statements:
            connection.execute(statement)


def hold_back(since: str) -> str:
    """The statements that take the shop's last orders out of it; `since` is a day, in terms of agg_daily_sales."""
    return f"""
        create table later as from raw_shop.orders where ordered_at >= (select {since} from marts.agg_daily_sales);
        delete from raw_shop.orders where order_id in (select order_id from later);
    """


LET_IN = """
    insert into raw_shop.orders select * replace ('9999999998' as _dlt_load_id) from later;
    insert into raw_shop._dlt_loads values ('9999999998', 'shop', 0, now(), '');
"""


def assert_built_as_in_full(build: Builder) -> None:
    """The warehouse is what a full refresh makes of it; it is one afterwards."""
    incremental = set_aside(build.warehouse, "incremental")
    build.repeat("--full-refresh", *INCREMENTAL)
    assert not differences(incremental, build.warehouse)


def test_what_belongs_to_an_order_waits_for_it(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    unreadable = """
        update raw_api.payments set order_id = 'one'
        where payment_id = (select min(payment_id) from marts.fct_payments);
        update raw_api.payments set currency = 'XXX'
        where payment_id = (select max(payment_id) from marts.fct_payments);
    """
    waiting = """
        select 'api.payments', count(*) from raw_api.payments
        where order_id = 'one' or currency = 'XXX' or try_cast(order_id as bigint) in (select order_id from later)
        union all
        select 'api.refunds', count(*) from raw_api.refunds where order_id::bigint in (select order_id from later)
        union all
        select 'shop.order_items', count(*) from raw_shop.order_items where order_id in (select order_id from later)
        order by 1
    """
    told = """
        select source_table, count(*) from marts.ops_rejected_rows
        where reject_reason in ('unknown_order', 'other_currency') group by 1 order by 1
    """
    staging = ["--select", "staging", "+ops_rejected_rows"]
    accounted_for = "assert_every_raw_row_is_accounted_for"
    execute(build.warehouse, hold_back("max(date_day) - 40"), unreadable)
    assert build("--full-refresh", *staging)
    assert with_traps(build, [], "test", "--select", accounted_for) == {accounted_for: "pass"}
    with duckdb.connect(str(build.warehouse)) as connection:
        expected = connection.execute(waiting).fetchall()
        assert connection.execute(told).fetchall() == expected and all(count for _, count in expected)
    execute(build.warehouse, LET_IN)
    assert build(*staging)
    with duckdb.connect(str(build.warehouse)) as connection:
        assert connection.execute(told).fetchall() == [("api.payments", 2)]


# The last day known before: amid the last but one month, its end, and amid the shop's first month.
@pytest.mark.parametrize("since", ["max(date_day) - 40", "date_trunc('month', max(date_day))", "min(date_day) + 10"])
def test_a_month_comes_in_when_it_is_over(since: str, built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    execute(build.warehouse, hold_back(since))
    build.repeat("--full-refresh", *INCREMENTAL)
    execute(
        build.warehouse,
        """
        insert into raw_shop.orders select * replace ('9999999997' as _dlt_load_id) from later
        where ordered_at < (select min(ordered_at) + interval 5 day from later);
        delete from later where order_id in (select order_id from raw_shop.orders);
        insert into raw_shop._dlt_loads values ('9999999997', 'shop', 0, now(), '')
        """,
    )
    build.repeat()
    execute(build.warehouse, LET_IN)
    build.repeat()
    assert_built_as_in_full(build)


def test_lines_are_missed_at_the_edges_of_blocks_of_keys(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    edges = {1021: 1023, 11: 1024}
    for table in ("order_items", "order_item_keys"):
        for key, edge in edges.items():
            execute(build.warehouse, f"update raw_shop.{table} set order_item_id = {edge} where order_item_id = {key}")
    lines = ["--select", "+stg_shop__order_items"]
    at_edges = "order_item_id in (1023, 1024)"
    assert build("--full-refresh", *lines)
    load = "insert into raw_shop._dlt_loads values ('{0}', 'shop', 0, now(), '')"
    for load_id, change, expected in (
        ("9999999998", f"create table gone as from raw_shop.order_item_keys where {at_edges}", 2),
        ("9999999999", f"delete from raw_shop.order_item_keys where {at_edges}", 0),
        ("9999999999.1", "insert into raw_shop.order_item_keys from gone", 2),
    ):
        again = f"update raw_shop.order_item_keys set _dlt_load_id = '{load_id}'"
        execute(build.warehouse, change, again, load.format(load_id))
        assert build(*lines)
        with duckdb.connect(str(build.warehouse)) as connection:
            held = f"select count(*) from staging.stg_shop__order_items where {at_edges}"
            assert connection.execute(held).fetchall() == [(expected,)]


# What leaves raw without a row that says so.
VANISHED = {
    "lines, told by change data capture": [
        "delete from raw_shop.order_item_keys where order_item_id in "
        "(select order_item_id from marts.fct_order_lines where is_sale order by order_item_id desc limit 3)",
    ],
    "all lines": ["delete from raw_shop.order_item_keys"],
    "lines of files that were written anew": [
        statement.format(dataset=dataset)
        for dataset in ("clickstream", "inventory_events")
        for statement in (
            "create table {dataset}_again as select file_path, row_number() over (order by file_path desc) as number "
            "from raw_files.file_manifest where dataset = '{dataset}' limit 2",
            # One lost its end, the other everything.
            "delete from raw_files.{dataset} where file_path in (select file_path from {dataset}_again "
            "where number = 1 or line_number > 2)",
            "update raw_files.{dataset} set _dlt_load_id = '9999999999' "
            "where file_path in (select file_path from {dataset}_again)",
            "update raw_files.file_manifest set _dlt_load_id = '9999999999' "
            "where file_path in (select file_path from {dataset}_again)",
        )
    ],
    "rows of tables that were loaded anew": [
        statement.format(table=table, key=key)
        for table, key in {
            "raw_shop.orders": "order_id",
            "raw_shop.customers": "customer_id",
            "raw_api.payments": "payment_id",
            "raw_api.refunds": "refund_id",
            "raw_api.sessions": "session_id",
        }.items()
        for statement in (
            "delete from {table} where {key} in (select {key} from {table} order by hash({key}) limit 5)",
            "update {table} set _dlt_load_id = '9999999999'",
        )
    ],
}


@pytest.mark.parametrize("what", VANISHED)
def test_what_vanishes_from_raw_vanishes_from_the_models(what: str, built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    loads = (
        f"insert into raw_{name}._dlt_loads values ('9999999999', '{name}', 0, now(), '')"
        for name in ("shop", "api", "files")
    )
    execute(build.warehouse, *VANISHED[what], *loads)
    build.repeat()
    incremental = set_aside(build.warehouse, "incremental")
    assert differences(incremental, built), "nothing vanished: this test tests nothing"
    build.repeat("--full-refresh", *INCREMENTAL)
    assert not differences(incremental, build.warehouse)


def test_stock_that_moves_after_the_last_day_comes_in_with_it(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    # A product that nothing moved of before
    execute(
        build.warehouse,
        "create table bounds as select max(date_day) as last_day from marts.agg_daily_sales",
        "delete from raw_files.inventory_events where json_valid(record) "
        "and (record ->> 'product_id') = (select max(product_id) from staging.stg_files__inventory_events, bounds "
        "where occurred_at >= last_day - 1 and occurred_at < last_day)::text "
        "and (record ->> 'occurred_at') < (select strftime(last_day - 1, '%Y-%m-%d') from bounds)",
    )
    execute(build.warehouse, hold_back("max(date_day) - 3"))
    build.repeat("--full-refresh", *INCREMENTAL)
    execute(build.warehouse, LET_IN)
    build.repeat()
    assert_built_as_in_full(build)


def test_a_month_that_no_order_is_left_in_is_gone(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    months = "select count(distinct month_start_date) from marts.agg_customers_monthly"
    with duckdb.connect(str(build.warehouse)) as connection:
        [(before,)] = connection.execute(months).fetchall()
    execute(
        build.warehouse,
        """
        update raw_shop.orders
        set ordered_at = ordered_at - interval 40 day, updated_at = now(), _dlt_load_id = '9999999999'
        -- A store's own day may be ahead.
        where ordered_at >= (select date_trunc('month', max(date_day)) - interval 1 day from marts.agg_daily_sales)
        """,
        "insert into raw_shop._dlt_loads values ('9999999999', 'shop', 0, now(), '')",
    )
    build.repeat()
    with duckdb.connect(str(build.warehouse)) as connection:
        assert connection.execute(months).fetchall() == [(before - 1,)]
    assert_built_as_in_full(build)


def test_a_return_counts_from_its_day_on_when_the_last_day_moves(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    # One of somebody who has nothing to do with the orders that come and go
    dated_ahead = """
        update raw_api.refunds
        set refunded_at = (select strftime(min(ordered_at) + interval 1 day, '%Y-%m-%dT%H:%M:%SZ') from later),
            updated_at = (select strftime(min(ordered_at) + interval 1 day, '%Y-%m-%dT%H:%M:%SZ') from later)
        where refund_id = (
            select max(refund_id) from marts.fct_refunds
            where
                is_sale
                and reporting_returns_amount > 0
                and identity_key not in (
                    select identity_key from marts.fct_orders where order_id in (select order_id from later)
                )
        )
    """
    execute(build.warehouse, hold_back("max(date_day) - 2"), dated_ahead)
    build.repeat("--full-refresh", *INCREMENTAL)
    execute(build.warehouse, LET_IN)
    build.repeat()
    assert_built_as_in_full(build)
    back = "ordered_at = ordered_at - interval 9 day, updated_at = now(), _dlt_load_id = '9999999999'"
    execute(
        build.warehouse,
        f"update raw_shop.orders set {back} where order_id in (select order_id from later)",
        "insert into raw_shop._dlt_loads values ('9999999999', 'shop', 0, now(), '')",
    )
    build.repeat()
    assert_built_as_in_full(build)


def test_an_order_that_is_delivered_touches_no_day(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    noted = []
    for load_id, change in (("9999999998", "status = 'delivered'"), ("9999999999", "is_test = true")):
        with duckdb.connect(str(build.warehouse)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            [(order,)] = connection.execute(
                "select max(order_id) from marts.fct_orders where is_sale and status = 'shipped'"
            ).fetchall()
            later = f"updated_at = updated_at + interval 1 hour, _dlt_load_id = '{load_id}'"
            connection.execute(f"update raw_shop.orders set {change}, {later} where order_id = {order}")
            connection.execute(f"insert into raw_shop._dlt_loads values ('{load_id}', 'shop', 0, now(), '')")
        build.repeat()
        with duckdb.connect(str(build.warehouse)) as connection:
            columns = connection.execute(
                "select distinct column_name from build_state.changes where producer = 'fct_orders' "
                "and change_number = (select max(change_number) from build_state.changes where producer = 'fct_orders')"
            ).fetchall()
        noted.append({name for (name,) in columns} - {"(incremental)"})
    assert noted == [{"order_id"}, {"order_id", "order_date", "identity_key"}]


def test_a_table_that_was_left_out_is_made_up_for(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    execute(build.warehouse, hold_back("max(date_day) - 3"))
    assert build("--full-refresh", *INCREMENTAL)
    execute(build.warehouse, LET_IN)
    assert build(*INCREMENTAL, "--exclude", "int_calendar_bounds_derived")
    assert build()
    assert_built_as_in_full(build)


def versions(warehouse: Path) -> dict[int, list[tuple[str, bool]]]:
    """Region and deletion in each version of each customer."""
    found: dict[int, list[tuple[str, bool]]] = {}
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        rows = connection.execute(
            "select customer_id, region, is_deleted from snapshots.snap_customers order by customer_id, dbt_valid_from"
        ).fetchall()
    for customer_id, *version in rows:
        found.setdefault(customer_id, []).append(tuple(version))
    return found


def change_customers(warehouse: Path, load: str, *changes: tuple[int, str]) -> None:
    """A load with changes of customers, one after the other."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for customer_id, assignments in changes:
            update = f"update raw_shop.customers set {assignments}, _dlt_load_id = '{load}'"
            connection.execute(f"{update} where customer_id = {customer_id}")
        connection.execute(f"insert into raw_shop._dlt_loads values ('{load}', 'shop', 0, now(), '')")


def test_versions_keep_what_the_description_of_snapshots_says(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    before = versions(built)
    twice, gone_and_back, back_dated, vanished = sorted(key for key, rows in before.items() if len(rows) == 1)[:4]
    change_customers(
        build.warehouse,
        "1",
        (twice, "region = 'one', updated_at = updated_at + interval 1 hour"),
        (twice, "region = 'two', updated_at = updated_at + interval 1 hour"),
        (gone_and_back, "deleted_at = updated_at, updated_at = updated_at + interval 1 hour"),
        (back_dated, "region = 'past', updated_at = updated_at - interval 30 day"),
    )
    assert build(*HISTORY_OF_CUSTOMERS)
    assert versions(build.warehouse)[back_dated] == before[back_dated]
    change_customers(
        build.warehouse,
        "2",
        (gone_and_back, "deleted_at = null, updated_at = updated_at + interval 1 hour"),
        (back_dated, "updated_at = updated_at + interval 60 day"),
    )
    with duckdb.connect(str(build.warehouse)) as connection:
        connection.execute(f"delete from raw_shop.customers where customer_id = {vanished}")
    assert build("--full-refresh", *HISTORY_OF_CUSTOMERS)
    after = versions(build.warehouse)
    assert after[twice] == [*before[twice], ("two", False)]
    assert [is_deleted for _, is_deleted in after[gone_and_back]] == [False, True, False]
    assert after[back_dated] == [*before[back_dated], ("past", False)]
    assert after[vanished] == before[vanished]
    assert_windows_hold(build.warehouse)


def test_a_build_killed_in_a_snapshot_is_made_up_for(tiny_shop: Workspace, built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    load(History(5), build.warehouse, only=["customers moved", "customers tested", "customers come"])
    loaded = set_aside(build.warehouse, "loaded")
    assert build(*HISTORY_OF_CUSTOMERS)
    undisturbed = set_aside(build.warehouse, "undisturbed")
    assert versions(undisturbed) != versions(built)
    shutil.copy(loaded, build.warehouse)
    log = tiny_shop.data_dir / "logs" / "dbt.log"
    log.unlink(missing_ok=True)
    command = [BIN / "dbt", "build", "--exclude-resource-type", "test", *HISTORY_OF_CUSTOMERS]
    process = subprocess.Popen(command, cwd=ROOT, env=tiny_shop.env, stdout=subprocess.DEVNULL)
    while process.poll() is None and not (log.exists() and "snap_customers__dbt_tmp" in log.read_text()):
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert_windows_hold(build.warehouse)
    assert build(*HISTORY_OF_CUSTOMERS)
    assert not differences(build.warehouse, undisturbed)
    assert versions(build.warehouse) == versions(undisturbed)


def with_traps(build: Builder, traps: list[Trap], *command: str) -> dict[str, str]:
    """What becomes of the models and tests of a dbt command where traps have been brought back."""
    manifest = build.manifest.deepcopy()
    for trap in traps:
        trap.bring_back(manifest)
    done = dbtRunner(manifest=manifest).invoke([*QUIET, *command])
    DuckDBConnectionManager.env().close()
    DuckDBConnectionManager.close_all_connections()
    return {result.node.name: str(result.status) for result in done.result if result.node.resource_type != "operation"}


def test_unit_tests_notice_the_traps(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    rounds: list[list[Trap]] = []
    for trap in UNIT_TESTED:
        # One trap for each model that is tested, so that nothing else can turn the test red.
        found = next((traps for traps in rounds if trap.tested not in {other.tested for other in traps}), None)
        rounds.append([trap]) if found is None else found.append(trap)
    for traps in rounds:
        became = with_traps(build, traps, "test", "--select", *(trap.held_by for trap in traps))
        assert became == {trap.held_by: "fail" for trap in traps}


def test_tests_of_data_notice_the_traps(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    models = [trap.name.split(".")[1] for trap in BUILT if trap.name.startswith("model.")]
    no_tests = ["--exclude-resource-type", "test", "--exclude-resource-type", "unit_test", "--select"]
    with_traps(build, BUILT, "build", *no_tests, *models)
    changes = ["orders placed", "orders back-dated", "movements late", "customers moved"]
    load(History(7), build.warehouse, only=changes)
    with_traps(build, BUILT, "build", *no_tests, *(f"+{model}" for model in models))
    incremental = set_aside(build.warehouse, "incremental")
    tests = [trap.held_by for trap in BUILT if "." not in trap.held_by]
    assert with_traps(build, BUILT, "test", "--select", *tests) == dict.fromkeys(tests, "fail")
    with_traps(build, BUILT, "build", "--full-refresh", *no_tests, *models)
    found = "\n".join(differences(incremental, build.warehouse))
    assert [trap for trap in BUILT if "." in trap.held_by and trap.held_by not in found] == []

    with_traps(build, [VERSIONED], "build", *no_tests, "+int_customer_versions_windowed")
    became = with_traps(build, [VERSIONED], "test", "--select", VERSIONED.held_by)
    assert became == {VERSIONED.held_by: "fail"}


def test_what_was_built_empty_is_filled_but_for_the_trap(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    command = ["build", "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test", *INCREMENTAL]
    with duckdb.connect(str(build.warehouse)) as connection:
        raw = connection.execute(
            "select table_schema || '.' || table_name from information_schema.tables "
            "where table_schema in ('raw_shop', 'raw_api', 'raw_files')"
        ).fetchall()
        connection.execute("drop schema build_state cascade; drop schema snapshots cascade")
        for (table,) in raw:
            connection.execute(f"delete from {table}")
    assert set(with_traps(build, [BUILT_EMPTY], *command).values()) == {"success"}
    with duckdb.connect(str(build.warehouse)) as connection:
        assert connection.execute("select count(*) from marts.fct_orders").fetchone() == (0,)
        connection.execute(f"attach '{built}' as built (read_only)")
        for (table,) in raw:
            connection.execute(f"insert into {table} by name from built.{table}")
    assert set(with_traps(build, [BUILT_EMPTY], *command).values()) == {"success"}
    found = differences(build.warehouse, built)
    assert [line.split(":")[0] for line in found if not line.startswith(" ")] == [BUILT_EMPTY.held_by], "\n".join(found)


def test_an_outage_is_an_error_until_its_days_are_named(built: Path, build: Builder) -> None:
    shutil.copy(built, build.warehouse)
    tests = [
        "volume_is_not_lost_fct_orders_order_date",
        "volume_is_not_lost_fct_payments_payment_date",
        "assert_no_day_has_visitors_but_no_sales",
    ]
    with duckdb.connect(str(build.warehouse)) as connection:
        # Of a shop of one or two orders a day no silence is told: this one has ten times as many.
        for fact in ("fct_orders", "fct_payments"):
            connection.execute(f"insert into marts.{fact} select fact.* from marts.{fact} as fact, range(9)")
        connection.execute("update marts.agg_daily_sales set orders = 10 * orders")
        last_week = "select date_day::varchar from marts.agg_daily_sales order by date_day desc limit 7 offset 1"
        days = [day for (day,) in connection.execute(last_week).fetchall()]
    assert with_traps(build, [], "test", "--select", *tests) == dict.fromkeys(tests, "pass")
    with duckdb.connect(str(build.warehouse)) as connection:
        of_days = {"days": days}
        connection.execute("delete from marts.fct_orders where order_date::varchar in $days", of_days)
        connection.execute("delete from marts.fct_payments where payment_date::varchar in $days", of_days)
        connection.execute("update marts.agg_daily_sales set orders = 0 where date_day::varchar in $days", of_days)
    for named, outcome in (([], "fail"), (days[:2], "fail"), (days, "pass")):
        closed = ["--vars", json.dumps({"closed_days": named})]
        assert with_traps(build, [], "test", "--select", *tests, *closed) == dict.fromkeys(tests, outcome)


# What incremental models read without asking for its changes, and why that loses nothing.
UNASKED = {
    "int_calendar_bounds_derived": "days that the calendar gains or loses are compared with those that the model holds",
    "int_days_spined": "as above",
    "dim_dates": "as above",
    "snap_customers": "its windows are compared with those that the model holds",
    "dim_products_history": "what a version says never changes; a line that gets another version changes itself",
}


def test_full_builds_are_written_in_order(built: Path, build: Builder) -> None:
    """Without that the rows of a day lie all over a table, and a build of what is new reads all of it."""
    orders = {
        node.relation_name: found[1]
        for node in build.manifest.nodes.values()
        if (found := re.search(r"stored_by\('(.*?)'\)", getattr(node, "raw_code", "")))
    }
    assert len(orders) > 25
    with duckdb.connect(str(built)) as connection:
        for relation, columns in orders.items():
            table = relation.split(".", 1)[1]
            row = f"row({columns})"
            steps_back = f"select {row} < lag({row}) over (order by rowid) as is_back from {table}"
            assert connection.execute(f"select count(*) filter (is_back) from ({steps_back})").fetchone() == (0,), table


def test_incremental_models_follow_their_inputs(build: Builder) -> None:
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
