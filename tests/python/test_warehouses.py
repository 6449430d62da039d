"""The Postgres warehouse through its command line: a real server, a tiny shop, roles, restarts and faults."""

import os
import shlex
import sys
from collections.abc import Iterator

import psycopg2
import pytest


def warehouses(space, *arguments: str, **options):
    """Run `python -m warehouses ...`."""
    return space.run(sys.executable, "-m", "warehouses", *arguments, **options)


@pytest.fixture(scope="module")
def warehouse(tiny_shop) -> Iterator:
    """A tiny shop beside a Postgres warehouse that is started and not filled yet."""
    warehouses(tiny_shop, "start", "postgres")
    for line in warehouses(tiny_shop, "env", "postgres").stdout.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        tiny_shop.settings[name] = shlex.split(value)[0]
    yield tiny_shop
    warehouses(tiny_shop, "stop", "postgres")


@pytest.fixture(scope="module")
def built(warehouse):
    """The same, loaded, built with every test, and published."""
    warehouse.ingest()
    warehouse.run(sys.executable, "-m", "operations", "build")
    warehouse.run(sys.executable, "-m", "operations", "publish")
    return warehouse


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


def test_a_second_start_is_harmless(warehouse):
    before = warehouses(warehouse, "env", "postgres").stdout
    warehouses(warehouse, "start", "postgres")
    assert warehouses(warehouse, "env", "postgres").stdout == before


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
        done = warehouses(built, "with", "postgres", "--", *command, STOREHOUSE_TARGET="dev")
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
    warehouses(built, "stop", "postgres")
    done = built.ingest(check=False)
    assert done.returncode == 1
    assert "python -m warehouses start postgres" in done.stderr
    assert "Traceback" not in done.stderr
    warehouses(built, "start", "postgres")
    assert query(built, "reader", "select * from agg_daily_sales order by 1") == rows


def test_a_build_after_a_killed_server_heals(built):
    rows = query(built, "reader", "select * from fct_orders order by 1")
    pid_file = built.data_dir / "warehouses" / "postgres" / "data" / "postmaster.pid"
    os.kill(int(pid_file.read_text().splitlines()[0]), 9)
    done = built.dbt("build", "--select", "fct_orders", check=False)
    assert done.returncode
    warehouses(built, "start", "postgres")
    for line in warehouses(built, "env", "postgres").stdout.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        built.settings[name] = shlex.split(value)[0]
    built.dbt("build", "--exclude-resource-type", "test", "unit_test")
    assert query(built, "reader", "select * from fct_orders order by 1") == rows
