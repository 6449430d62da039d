"""The Postgres warehouse through its command line: DuckDB's equal, with a real server, roles, restarts and faults."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator

import duckdb
import psycopg2
import pytest
from conftest import BIN, ROOT, Workspace

from warehouses.parity import differences_of


@pytest.fixture(scope="module")
def warehouse(workspace: Workspace) -> Iterator[Workspace]:
    """One shop on DuckDB and on Postgres, to which it was carried, equal after every step; everything still runs."""
    space = Workspace(workspace.data_dir / "parity")
    steps = ["--increments", "2", "--days", "15", "--carry-at", "1", "--no-tests", "--keep"]
    try:
        done = workspace.warehouses("parity", *steps)
        assert "✓ dev = postgres" in done.stdout
        space.connect_shop()
        space.connect_warehouse("postgres")
        yield space
    finally:
        space.warehouses("stop", "postgres")
        space.demo("stop")


# What else may know a person: a published state, and the rows that a failed test found.
COPIES = """
    create schema "published_20200101T000000-000000";
    comment on schema "published_20200101T000000-000000"
        is '{"state": "20200101T000000-000000", "run_id": null, "invocation_id": "old", "rows": {"people": 1}}';
    create table "published_20200101T000000-000000".people as select email from staging.stg_shop__customers;
    create schema test_failures;
    create table test_failures.people as select * from staging.stg_shop__customers;
"""


@pytest.fixture(scope="module")
def person(warehouse: Workspace) -> tuple[int, str, str]:
    """Number, e-mail address and phone of somebody who has bought as a guest, too."""
    [found] = warehouse.shop(
        """
        select customer_id, lower(trim(email)), phone from shop.customers
        where lower(trim(email)) in (select lower(trim(guest_email)) from shop.orders) and phone is not null
        order by customer_id limit 1
        """
    )
    return found


@pytest.fixture(scope="module")
def built(warehouse: Workspace, person: tuple[int, str, str]) -> Workspace:
    """The same, built with every test and published, which is how somebody is forgotten."""
    query(warehouse, "transformer", COPIES)
    assert knows(warehouse, person) >= {
        "raw_shop.customers",
        "raw_shop.orders",
        "staging.stg_shop__customers",
        "published_20200101T000000-000000.people",
        "test_failures.people",
    }
    warehouse.run(sys.executable, "-m", "operations", "forget", str(person[0]))
    warehouse.dbt("test", "--select", "test_type:unit")
    return warehouse


def knows(space: Workspace, person: tuple[int, str, str]) -> set[str]:
    """The tables of the warehouse in which the address or the phone stands."""
    connection = session(space, "transformer")
    with connection, connection.cursor() as cursor:
        cursor.execute(
            "select quote_ident(table_schema) || '.' || table_name, table_schema || '.' || table_name "
            "from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema')"
        )
        found, patterns = set(), [f"%{person[1]}%", f"%{person[2]}%"]
        for table, name in cursor.fetchall():
            cursor.execute(f"select 1 from {table} as t where t::text ilike any (%s) limit 1", [patterns])
            if cursor.fetchone():
                found.add(name)
    connection.close()
    return found


def test_a_difference_is_shown_with_model_key_column_and_values(tmp_path):
    for name, rows in (
        ("a.parquet", "(1, 10.00, 'x'), (2, 20.00, '')"),
        ("b.parquet", "(1, 10.01, 'x'), (3, 20.00, null)"),
    ):
        duckdb.sql(f"select * from (values {rows}) as t (id, amount, note)").write_parquet(str(tmp_path / name))
    with duckdb.connect() as connection:
        found = {
            (difference.key, difference.column): difference.values
            for difference in differences_of(
                connection, "fct_orders", ["id"], [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
            )
        }
    assert found == {("1", "amount"): ("10.00", "10.01"), ("2", "(row)"): ("row", ""), ("3", "(row)"): ("", "row")}


def test_nothing_is_carried_over_what_is_there(warehouse):
    done = warehouse.warehouses("carry", "postgres", check=False)
    assert done.returncode == 1
    assert "already: nothing was carried over it" in done.stderr


def session(space, role: str):
    """A session of one role, found the way the project finds it."""
    code = f"from warehouses import postgres; print(postgres.url({role!r}))"
    return psycopg2.connect(space.run(sys.executable, "-c", code).stdout.strip())


def query(space, role: str, statement: str) -> list[tuple]:
    """The rows of a statement of one role."""
    connection = session(space, role)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def until(text: str, lines: Iterable[str]) -> Iterator[str]:
    """The lines up to the first that holds a text."""
    for line in lines:
        yield line
        if text in line:
            return


def test_a_second_start_is_harmless(warehouse):
    before = warehouse.warehouses("env", "postgres").stdout
    warehouse.warehouses("start", "postgres")
    assert warehouse.warehouses("env", "postgres").stdout == before


def test_passwords_are_private(warehouse):
    state = warehouse.data_dir / "warehouses" / "postgres" / "state.json"
    assert state.stat().st_mode & 0o077 == 0


def test_raw_is_what_the_shop_holds(built):
    columns = "order_id, status, total_amount, coupon_code, ordered_at, cancelled_at, is_test, updated_at"
    rows = f"select {columns} from {{}}.orders order by order_id"
    held = query(built, "transformer", rows.format("raw_shop"))
    assert held
    assert held == built.shop(rows.format("shop"))


def test_a_second_load_changes_nothing(built):
    loads = "select _dlt_load_id, count(*) from raw_shop.orders group by 1 order by 1"
    before = query(built, "loader", loads)
    built.ingest()
    assert query(built, "loader", loads) == before


def test_preflight_and_summary_look_into_postgres(built):
    for script, said in (("preflight.py", ""), ("summary.py", "Yesterday")):
        command = (sys.executable, f"scripts/{script}")
        done = built.warehouses("with", "postgres", "--", *command, STOREHOUSE_TARGET="dev")
        assert said in done.stdout
    assert "Postgres: 127.0.0.1" in done.stdout


def test_a_second_load_at_the_same_time_is_refused(built):
    connection = session(built, "loader")
    with connection, connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(hashtext('storehouse load'))")
        done = built.ingest(check=False)
    connection.close()
    assert done.returncode == 75
    assert "Another load is writing" in done.stderr


def test_the_reader_sees_what_is_published_and_nothing_else(built):
    assert query(built, "reader", "select count(*) from fct_orders")[0][0] > 0
    seen = query(
        built,
        "reader",
        "select distinct table_schema from information_schema.tables "
        "where table_schema not in ('information_schema', 'pg_catalog')",
    )
    assert seen == [("published",)]
    for forbidden in (
        "select 1 from staging.stg_shop__customers",
        "select 1 from marts.fct_orders",
        "select 1 from raw_shop.customers",
        "delete from published.fct_orders",
        "create table published.mine (id integer)",
    ):
        with pytest.raises((psycopg2.errors.InsufficientPrivilege, psycopg2.errors.ReadOnlySqlTransaction)):
            query(built, "reader", forbidden)


def test_loader_and_transformer_keep_to_their_parts(built):
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(built, "loader", "select 1 from marts.fct_orders")
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        query(built, "transformer", "delete from raw_shop.orders")


def test_a_stopped_server_is_named_in_one_line_and_keeps_its_data(built):
    rows = query(built, "reader", "select * from agg_daily_sales order by 1")
    built.warehouses("stop", "postgres")
    done = built.ingest(check=False)
    assert done.returncode == 1
    assert "python -m warehouses start postgres" in done.stderr
    assert "Traceback" not in done.stderr
    built.warehouses("start", "postgres")
    assert query(built, "reader", "select * from agg_daily_sales order by 1") == rows


def test_a_server_that_is_killed_during_a_build_heals(built):
    mart = "select * from fct_orders order by 1"
    rows = query(built, "reader", mart)
    command = [str(BIN / "dbt"), "--no-use-colors", "build", "--select", "+fct_orders"]
    command += ["--exclude-resource-type", "test", "unit_test"]
    with subprocess.Popen(command, cwd=ROOT, env=built.env, stdout=subprocess.PIPE, text=True) as build:
        said = "".join(until("START sql incremental model marts.", build.stdout))
        pid_file = built.data_dir / "warehouses" / "postgres" / "data" / "postmaster.pid"
        os.kill(int(pid_file.read_text().splitlines()[0]), 9)
        said += build.stdout.read()
    assert build.returncode, said
    built.warehouses("start", "postgres")
    built.connect_warehouse("postgres")
    built.run(*command)
    assert query(built, "transformer", mart.replace("fct_orders", "marts.fct_orders")) == rows
    assert query(built, "reader", mart) == rows


def test_a_forgotten_person_is_nowhere_and_does_not_come_back(built, person):
    assert knows(built, person) == set()
    assert len(built.run(sys.executable, "-m", "operations", "states").stdout.splitlines()) == 1
    built.ingest("--source", "shop", "--full-refresh")
    assert knows(built, person) == set()
    name = f"select email, first_name, last_name, phone from raw_shop.customers where customer_id = {person[0]}"
    assert query(built, "loader", name) == [(None,) * 4]


def test_what_is_published_is_exported_and_drawn(built, tmp_path):
    built.run(sys.executable, "-m", "operations", "export", "--to", str(tmp_path))
    [manifest] = [json.loads(path.read_text()) for path in tmp_path.glob("*/manifest.json")]
    [(orders,)] = query(built, "reader", "select count(*) from fct_orders")
    assert manifest["rows"]["fct_orders"] == orders
    [(amount,)] = query(built, "reader", "select sum(reporting_amount) from fct_sales_ledger")
    ledger = f"read_parquet('{tmp_path}/*/parquet/fct_sales_ledger/**/*.parquet')"
    assert duckdb.sql(f"select sum(reporting_amount) from {ledger}").fetchall() == [(amount,)]
    built.run(sys.executable, "-m", "dashboards")
    [(sales,)] = query(
        built,
        "reader",
        "select sum(orders) from agg_daily_sales "
        "where (select max(date_day) from agg_daily_sales) - date_day between 1 and 28",
    )
    assert f">{sales:,}<" in (built.data_dir / "dashboard.html").read_text()


def test_a_backup_brings_the_database_back_with_the_state_of_its_loads(built):
    orders = "select * from raw_shop.orders order by order_id"
    before, shown = query(built, "loader", orders), query(built, "reader", "select * from fct_orders order by 1")
    built.run(sys.executable, "-m", "operations", "backup")
    query(built, "loader", "drop schema raw_shop cascade")
    query(built, "transformer", "drop schema published cascade")
    built.run(sys.executable, "-m", "operations", "restore")
    assert query(built, "loader", orders) == before
    assert query(built, "reader", "select * from fct_orders order by 1") == shown
    built.ingest()
    assert query(built, "loader", orders) == before
