"""Change data capture through the command line, against the tiny demo shop: every version, once, whatever happens."""

import random
import re
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import duckdb
import psycopg2
import pytest
from conftest import ROOT, Workspace
from test_ingestion import KEY_TABLES, KEYS, columns
from test_ingestion_chaos import DEADLY

CDC = ("--source", "shop", "--mode", "cdc")


@pytest.fixture(scope="module")
def captured(warm_workspace: Workspace, tiny_shop: Workspace) -> Iterator[Workspace]:
    """The tiny shop, made ready and loaded once in this mode."""
    told = tiny_shop.ingest(*CDC, check=False)
    assert told.returncode == 1
    statements = re.search(r"run there: (.*;) Or load", " ".join(told.stderr.split()))
    # The message is the remedy.
    tiny_shop.shop(statements[1])
    tiny_shop.ingest(*CDC)
    yield tiny_shop


def assert_raw_is_the_shop(space: Workspace) -> None:
    """Raw holds exactly the rows of the shop, once, deletions taken through the key tables."""
    for table, key in KEYS.items():
        names = columns(space, table)
        alive = f"where ({key}) in (select ({key}) from raw_shop.{KEY_TABLES[table]})" if table in KEY_TABLES else ""
        held = Counter(space.warehouse(f"select {names} from raw_shop.{table} {alive}"))
        source = Counter(space.shop(f"select {names} from shop.{table}"))
        assert not source - held, f"{table}: rows of the shop that are not in raw"
        assert not held - source, f"{table}: rows of raw that are not in the shop, or twice"
        if table in KEY_TABLES:
            keys = Counter(space.warehouse(f"select {key} from raw_shop.{KEY_TABLES[table]}"))
            assert keys == Counter(space.shop(f"select {key} from shop.{table}")), f"{table}: keys"


def versions(space: Workspace, table: str, what: str, where: str) -> list[tuple]:
    """Versions of rows, in the order of the log, the snapshot's left out."""
    return space.warehouse(
        f"select {what} from raw_shop.{table}_changes where change_operation <> 'snapshot' and {where} "
        "order by change_lsn, change_sequence"
    )


def order_items(space: Workspace, count: int) -> list[int]:
    """Some order lines that exist."""
    return [number for (number,) in space.shop(f"select order_item_id from shop.order_items order by 1 limit {count}")]


def slot(space: Workspace, what: str) -> object:
    """Something about the slot."""
    rows = space.shop(f"select {what} from pg_replication_slots where slot_name = 'storehouse'")
    return rows[0][0] if rows else None


def test_the_snapshot_is_the_shop(captured: Workspace) -> None:
    assert_raw_is_the_shop(captured)
    for table in KEYS:
        count = f"select count(*) from raw_shop.{table}"
        assert captured.warehouse(count) == captured.warehouse(f"{count}_changes"), table


def test_both_modes_give_the_same_tables(captured: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    cursor = Workspace(tmp_path_factory.mktemp("cursor") / "data", captured.settings)
    cursor.ingest("--source", "shop")
    captured.demo("advance", "--days", "12")
    captured.shop("delete from shop.order_items where order_item_id between 1 and 9")
    cursor.ingest("--source", "shop")
    captured.ingest(*CDC)
    assert_raw_is_the_shop(captured)
    assert_raw_is_the_shop(cursor)
    shape = (
        "select table_name, column_name, data_type, is_nullable from information_schema.columns "
        "where table_schema = 'raw_shop' and column_name <> 'is_deleted' and table_name not like '_dlt%' "
        "and table_name not like '%_changes' and table_name <> 'replication_progress' order by all"
    )
    assert cursor.warehouse(shape) == captured.warehouse(shape)


def test_a_second_load_changes_nothing(captured: Workspace) -> None:
    captured.ingest(*CDC)
    rows = "select * exclude (_dlt_load_id) from raw_shop.orders_changes order by all"
    before = captured.warehouse(rows), captured.warehouse("from raw_shop.orders order by all")
    captured.ingest(*CDC)
    assert (captured.warehouse(rows), captured.warehouse("from raw_shop.orders order by all")) == before


def test_every_version_is_kept(captured: Workspace) -> None:
    for city in ("Bonn", "", "Köln"):
        captured.shop(f"update shop.customers set city = '{city}' where customer_id = 7")
    captured.shop("update shop.customers set city = null where customer_id = 7")
    deleted, renamed = order_items(captured, 2)
    captured.shop(f"delete from shop.order_items where order_item_id = {deleted}")
    captured.shop(
        f"update shop.order_items set quantity = 9 where order_item_id = {renamed};"
        f"update shop.order_items set order_item_id = 900001 where order_item_id = {renamed};"
        "update shop.order_items set quantity = 8 where order_item_id = 900001"
    )
    captured.ingest(*CDC)
    assert_raw_is_the_shop(captured)
    assert versions(captured, "customers", "city", "customer_id = 7")[-4:] == [("Bonn",), ("",), ("Köln",), (None,)]
    assert versions(captured, "order_items", "change_operation", f"order_item_id = {deleted}") == [("delete",)]
    # A row that gets another key is one row that ends and one that begins, each in its place in the transaction.
    assert versions(
        captured, "order_items", "order_item_id, change_operation, quantity", f"order_item_id in ({renamed}, 900001)"
    ) == [(renamed, "update", 9), (renamed, "delete", None), (900001, "update", 9), (900001, "update", 8)]
    # The deleted row stays in raw as it was last, which is how the other mode leaves it.
    assert captured.warehouse(f"select quantity from raw_shop.order_items where order_item_id = {renamed}") == [(9,)]


def test_a_decimal_that_is_no_number_is_set_aside(captured: Workspace) -> None:
    captured.shop("update shop.products set unit_price = 'NaN' where product_id = 3")
    captured.ingest(*CDC)
    assert captured.warehouse("select unit_price, unreadable_values from raw_shop.products where product_id = 3") == [
        (None, '{"unit_price": "NaN"}')
    ]
    captured.shop("update shop.products set unit_price = 3 where product_id = 3")


def test_truncated_tables_lose_their_keys(captured: Workspace) -> None:
    rows = captured.shop("select count(*) from shop.inventory_levels")[0][0]
    assert rows > 1
    captured.shop(
        "create table shop_backup as select * from shop.inventory_levels;"
        "truncate shop.inventory_levels;"
        "insert into shop.inventory_levels select * from shop_backup limit 1"
    )
    captured.ingest(*CDC)
    assert_raw_is_the_shop(captured)
    assert captured.warehouse("select count(*) from raw_shop.inventory_level_keys") == [(1,)]
    captured.shop("truncate shop.inventory_levels")
    captured.ingest(*CDC)
    assert captured.warehouse("select count(*) from raw_shop.inventory_level_keys") == [(0,)]
    captured.shop("insert into shop.inventory_levels select * from shop_backup; drop table shop_backup")
    captured.ingest(*CDC)
    assert_raw_is_the_shop(captured)
    assert len(versions(captured, "inventory_levels", "1", "change_operation = 'truncate'")) == 2


def test_large_values_that_did_not_change_stay(captured: Workspace) -> None:
    first, second = secrets.token_hex(20_000), secrets.token_hex(20_000)
    (item,) = order_items(captured, 1)

    def change(what: str, number: int = 900002) -> None:
        captured.shop(f"update shop.order_items set {what} where order_item_id = {number}")

    change(f"product_name = '{first}'", item)
    captured.ingest(*CDC)
    # None of these brings the value again: a plain change, a new key, a change after a new value in the same batch.
    change("quantity = 91", item)
    change("order_item_id = 900002", item)
    change("quantity = 92")
    change(f"product_name = '{second}'")
    change("quantity = 93")
    captured.ingest(*CDC)
    assert versions(captured, "order_items", "quantity, product_name", f"order_item_id = {item}")[-2:] == [
        (91, first),
        (None, None),
    ]
    assert versions(captured, "order_items", "quantity, product_name", "order_item_id = 900002") == [
        (91, first),
        (92, first),
        (92, second),
        (93, second),
    ]
    assert_raw_is_the_shop(captured)


def test_columns_come_and_go(captured: Workspace) -> None:
    captured.shop("update shop.suppliers set name = 'Before' where supplier_id = 2")
    captured.shop("alter table shop.suppliers add column rating integer default 5")
    captured.shop("update shop.suppliers set name = 'After' where supplier_id = 2")
    told = captured.ingest(*CDC).stdout
    assert "columns changed: taking a new snapshot" in told
    # Postgres gives rows that were there before the default without a word in the log.
    assert captured.warehouse("select distinct rating from raw_shop.suppliers") == [(5,)]
    assert versions(captured, "suppliers", "name, rating", "supplier_id = 2") == [("Before", None), ("After", 5)]
    captured.shop("update shop.suppliers set rating = 6 where supplier_id = 2")
    captured.shop("alter table shop.suppliers drop column rating")
    captured.shop("update shop.suppliers set name = 'Last' where supplier_id = 2")
    captured.ingest(*CDC)
    assert versions(captured, "suppliers", "name, rating", "supplier_id = 2")[-2:] == [("After", 6), ("Last", None)]


def test_columns_that_change_their_type_lose_no_value(captured: Workspace) -> None:
    columns = "lead_time_days, lead_time_days__v_text"
    held = f"select {columns} from raw_shop.suppliers where supplier_id = 4"

    def change(value: str) -> None:
        captured.shop(f"update shop.suppliers set lead_time_days = '{value}' where supplier_id = 4")

    def retype(to: str) -> None:
        captured.shop(f"alter table shop.suppliers alter lead_time_days type {to} using lead_time_days::{to}")

    change("11")
    retype("text")
    change("soon")
    captured.ingest(*CDC)
    assert captured.warehouse(held) == [(None, "soon")]
    # Versions before and after it, in the log and beside a snapshot of the rows as they are then.
    change("later")
    change("12")
    retype("integer")
    change("13")
    captured.ingest(*CDC)
    assert captured.warehouse(held) == [(13, None)]
    assert versions(captured, "suppliers", columns, "supplier_id = 4")[-5:] == [
        (11, None),
        (None, "soon"),
        (None, "later"),
        (None, "12"),
        (13, None),
    ]
    assert_raw_is_the_shop(captured)


def test_a_transaction_open_during_the_load_is_not_lost(captured: Workspace) -> None:
    with closing(psycopg2.connect(captured.settings["DEMO_SHOP_ADMIN_URL"])) as connection:
        cursor = connection.cursor()
        cursor.execute("update shop.customers set city = 'Late' where customer_id = 8")
        captured.shop("update shop.customers set city = 'Early' where customer_id = 9")
        captured.ingest(*CDC)
        assert captured.warehouse("select city from raw_shop.customers where customer_id = 9") == [("Early",)]
        connection.commit()
    captured.ingest(*CDC)
    assert captured.warehouse("select city from raw_shop.customers where customer_id = 8") == [("Late",)]
    assert_raw_is_the_shop(captured)


def test_a_transaction_larger_than_a_batch(captured: Workspace) -> None:
    captured.shop("update shop.customers set city = 'Large' where customer_id <= 50")
    captured.shop("update shop.customers set city = 'Larger' where customer_id <= 45")
    [(large,)] = captured.shop(
        "select count(*) + count(*) filter (where customer_id <= 45) from shop.customers where customer_id <= 50"
    )
    captured.ingest(*CDC, SOURCES__SHOP__BATCH_CHANGES="20")
    assert_raw_is_the_shop(captured)
    assert len(versions(captured, "customers", "1", "city in ('Large', 'Larger')")) == large > 60


def test_the_slot_follows_and_tells(captured: Workspace) -> None:
    captured.shop("create table noise as select generate_series(1, 300000) as number")
    told = captured.ingest(*CDC).stdout
    behind, kept = re.search(r"is ([\d,]+) bytes behind the log and keeps ([\d,]+)", told).groups()
    assert int(behind.replace(",", "")) < 1_000_000
    # What the run found is kept too, and what nobody subscribed to moves the slot all the same.
    assert captured.warehouse("select bytes_behind > 5000000 from raw_shop.replication_progress") == [(True,)]
    captured.shop("drop table noise")
    # Postgres lets go of the log a step behind the slot, when it notes which transactions are running.
    for _ in range(5):
        captured.shop("checkpoint")
        captured.ingest(*CDC)
        if slot(captured, "pg_current_wal_lsn() - restart_lsn") < 1_000_000:
            break
    assert slot(captured, "pg_current_wal_lsn() - restart_lsn") < 1_000_000
    assert kept


def test_a_slot_that_postgres_gave_up_is_told_and_replaced(captured: Workspace) -> None:
    captured.shop("update shop.customers set city = 'Gone' where customer_id = 14")
    with closing(psycopg2.connect(captured.settings["DEMO_SHOP_ADMIN_URL"])) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute("alter system set max_slot_wal_keep_size = '1MB'")
        cursor.execute("select pg_reload_conf()")
        for _ in range(10):
            cursor.execute("create table noise as select generate_series(1, 300000); drop table noise")
            cursor.execute("select pg_switch_wal()")
            cursor.execute("checkpoint")
            if slot(captured, "wal_status") == "lost":
                break
        cursor.execute("alter system reset max_slot_wal_keep_size")
        cursor.execute("select pg_reload_conf()")
    assert slot(captured, "wal_status") == "lost"
    told = captured.ingest(*CDC).stdout
    assert "because it kept more log than max_slot_wal_keep_size allows" in told
    assert slot(captured, "wal_status") == "reserved"
    assert_raw_is_the_shop(captured)


def test_two_runs_do_not_share_the_slot(captured: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = Workspace(tmp_path_factory.mktemp("other") / "data", captured.settings)
    captured.shop("update shop.customers set city = 'Mine' where customer_id = 10")
    # Another warehouse takes over the slot: the first one notices that changes went past it.
    assert "taking a new snapshot" not in other.ingest(*CDC).stdout
    assert_raw_is_the_shop(other)
    other.shop("update shop.customers set city = 'Theirs' where customer_id = 11")
    other.ingest(*CDC)
    assert "does not fit to the warehouse: taking a new snapshot" in captured.ingest(*CDC).stdout
    assert_raw_is_the_shop(captured)


def test_a_backup_of_the_warehouse_catches_up(captured: Workspace) -> None:
    warehouse, backup = captured.data_dir / "warehouse.duckdb", captured.data_dir / "backup.duckdb"
    shutil.copy(warehouse, backup)
    captured.shop(f"delete from shop.order_items where order_item_id = {order_items(captured, 1)[0]}")
    captured.shop("update shop.customers set city = 'Past the backup' where customer_id = 12")
    captured.ingest(*CDC)
    backup.replace(warehouse)
    captured.ingest(*CDC)
    assert_raw_is_the_shop(captured)


def test_back_to_the_other_mode(captured: Workspace) -> None:
    captured.shop(f"delete from shop.order_items where order_item_id = {order_items(captured, 1)[0]}")
    captured.ingest(*CDC)
    captured.ingest("--source", "shop", "--mode", "cursor")
    assert_raw_is_the_shop(captured)
    captured.shop(f"delete from shop.order_items where order_item_id = {order_items(captured, 1)[0]}")
    captured.shop("update shop.customers set city = 'By cursor' where customer_id = 13")
    captured.ingest("--source", "shop", "--mode", "cursor")
    assert_raw_is_the_shop(captured)
    captured.ingest(*CDC)
    assert_raw_is_the_shop(captured)
    assert versions(captured, "customers", "city", "customer_id = 13")[-1] == ("By cursor",)


def test_tables_cannot_be_picked(captured: Workspace) -> None:
    told = captured.ingest(*CDC, "--tables", "orders", check=False)
    assert told.returncode == 1
    assert "loads all tables of the shop together" in told.stderr


def test_a_publication_that_leaves_something_out_is_refused(captured: Workspace) -> None:
    captured.shop("alter publication storehouse drop table shop.stores")
    told = captured.ingest(*CDC, check=False)
    assert told.returncode == 1
    assert 'create publication "storehouse" for table' in told.stderr
    captured.shop("alter publication storehouse add table shop.stores")
    captured.ingest(*CDC)


def kill_during(space: Workspace, seconds: float, **env: str) -> None:
    """Start a run and kill it after some time, with all its threads."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ingestion", *CDC],
        cwd=ROOT,
        env=space.env | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_killed_runs_heal(captured: Workspace) -> None:
    moments = random.Random(42)
    [(touched,)] = captured.shop("select count(*) from shop.customers where customer_id between 20 and 60")
    for number, deleted in enumerate(order_items(captured, 3)):
        captured.shop(
            f"update shop.customers set city = 'Killed {number}' where customer_id between 20 and 60;"
            f"delete from shop.order_items where order_item_id = {deleted};"
            f"update shop.suppliers set lead_time_days = {200 + number} where supplier_id = 3"
        )
        kill_during(captured, moments.uniform(1, 4), SOURCES__SHOP__BATCH_CHANGES="15")
        captured.ingest(*CDC)
        assert_raw_is_the_shop(captured)
        assert len(versions(captured, "customers", "1", f"city = 'Killed {number}'")) == touched
        assert len(versions(captured, "order_items", "1", f"order_item_id = {deleted}")) == 1


def test_a_snapshot_killed_in_its_load_is_taken_again(
    captured: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # The slot is there already, from another warehouse: it alone does not tell that this one lacks rows.
    fresh = Workspace(tmp_path_factory.mktemp("fresh") / "data", captured.settings)
    deadly = ["execute_sql", 'INSERT INTO "raw_shop"."replication_progress"', "1", *CDC]
    killed = fresh.run(sys.executable, "-c", DEADLY, *deadly, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # The tables of a load arrive in no fixed order: this one was on its way.
    with duckdb.connect(str(fresh.data_dir / "warehouse.duckdb")) as warehouse:
        assert warehouse.execute("select count(*) from raw_shop.replication_progress").fetchone() == (1,)
        warehouse.execute("delete from raw_shop.customers where customer_id % 2 = 0")
    fresh.ingest(*CDC)
    assert_raw_is_the_shop(fresh)


def test_a_run_killed_before_the_snapshot_for_a_new_column_takes_it_later(captured: Workspace) -> None:
    captured.ingest(*CDC)
    captured.shop("alter table shop.suppliers add column rating int default 5")
    captured.shop("update shop.customers set city = 'Before the snapshot' where customer_id = 15")
    # The changes are loaded, the rows that only have the new value are not.
    deadly = ["execute_sql", 'INSERT INTO "raw_shop"."_dlt_loads"', "1", *CDC]
    killed = captured.run(sys.executable, "-c", DEADLY, *deadly, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "columns changed: taking a new snapshot" in captured.ingest(*CDC).stdout
    assert_raw_is_the_shop(captured)
    assert captured.warehouse("select distinct rating from raw_shop.suppliers") == [(5,)]
    captured.shop("alter table shop.suppliers drop column rating")
    captured.ingest(*CDC)


def test_killed_snapshots_leave_no_slot_behind(captured: Workspace, tmp_path_factory: pytest.TempPathFactory) -> None:
    fresh = Workspace(tmp_path_factory.mktemp("fresh") / "data", captured.settings)
    moments = random.Random(7)
    for _ in range(2):
        kill_during(fresh, moments.uniform(1.5, 4))
        deadline = time.monotonic() + 20
        while fresh.shop("select 1 from pg_replication_slots where temporary") and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not fresh.shop("select 1 from pg_replication_slots where temporary")
    fresh.ingest(*CDC)
    assert_raw_is_the_shop(fresh)
    assert fresh.shop("select count(*) from pg_replication_slots") == [(1,)]
