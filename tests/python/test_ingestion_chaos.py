"""Loads that are killed, at random and at the worst moments: one plain run later, raw is as if nothing had happened.

A handful of kills by default; STOREHOUSE_CHAOS_ROUNDS says how many are at random (`make chaos`: 30).
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg2
import pytest
from conftest import ROOT, Workspace
from test_ingestion import KEY_TABLES, KEYS, assert_files_equal_raw, assert_raw_equals_shop

ROUNDS = int(os.environ.get("STOREHOUSE_CHAOS_ROUNDS", "2"))

# Runs the command with dlt's own steps made deadly: the process kills itself after the n-th one that matches, or before
# it when that number is negative.
DEADLY = """
import os, runpy, signal, sys
os.environ.setdefault("DLT_PROJECT_DIR", os.getcwd())
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

method, pattern, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
original = getattr(DuckDbSqlClient, method)
count = 0

def kill_at(moment):
    if moment == last:
        os.kill(os.getpid(), signal.SIGKILL)

def deadly(self, *arguments, **options):
    global count
    if pattern not in (arguments[0] if arguments else ""):
        return original(self, *arguments, **options)
    count += 1
    number = count
    kill_at(-number)
    result = original(self, *arguments, **options)
    kill_at(number)
    return result

setattr(DuckDbSqlClient, method, deadly)
sys.argv = ["ingestion", *sys.argv[4:]]
runpy.run_module("ingestion", run_name="__main__")
"""
WORST_MOMENTS = {
    "half of a merge": ("execute_sql", "DELETE FROM", 2),
    "between a commit and its marker": ("commit_transaction", "", 3),
    "staged but not merged": ("execute_sql", "read_parquet", 4),
    "schema changed, nothing loaded": ("execute_sql", "INSERT INTO", 1),
}
WAYS = {"scan": {"SOURCES__SHOP__SCAN_FROM_ROWS": "0"}, "copy": {"SOURCES__SHOP__SCAN_FROM_ROWS": str(10**9)}}


@pytest.fixture(scope="module")
def loaded(warm_workspace: Workspace, tiny_shop: Workspace) -> Workspace:
    """The tiny shop, loaded once."""
    tiny_shop.ingest()
    return tiny_shop


def keys_held(space: Workspace) -> dict[str, set[tuple]]:
    """The keys a reader sees in tables from which nothing is ever deleted."""
    return {
        table: set(space.warehouse(f"select {key} from raw_shop.{table}"))
        for table, key in KEYS.items()
        if table not in KEY_TABLES
    }


def assert_healed(space: Workspace, before: dict[str, set[tuple]]) -> None:
    """No reader sees less than before the kill; after one plain run everything is there, once."""
    after = keys_held(space)
    assert all(keys <= after[table] for table, keys in before.items())
    space.ingest()
    assert_raw_equals_shop(space)
    assert_files_equal_raw(space)


@pytest.mark.parametrize("moment", WORST_MOMENTS)
def test_killed_at_the_worst_moment(loaded: Workspace, moment: str) -> None:
    method, pattern, times = WORST_MOMENTS[moment]
    # Every row of the day arrives again, changed: merges have something to delete.
    loaded.demo("advance")
    loaded.shop("update shop.customers set phone = coalesce(phone, '') || '1'")
    before = keys_held(loaded)
    arguments = [method, pattern, str(times), "--source", "shop"]
    killed = loaded.run(sys.executable, "-c", DEADLY, *arguments, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # New rows are waiting when the next run starts.
    loaded.demo("advance")
    assert_healed(loaded, before)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_at_random(loaded: Workspace, number: int) -> None:
    chance = random.Random(number)
    loaded.demo("advance")
    before = keys_held(loaded)
    refresh = ["--full-refresh"] if chance.random() < 0.5 else []
    run = subprocess.Popen(
        [sys.executable, "-m", "ingestion", *refresh], cwd=ROOT, env=loaded.env, stdout=subprocess.DEVNULL
    )
    # Loading the modules takes the first second or two.
    time.sleep(chance.uniform(1, 5))
    run.send_signal(signal.SIGKILL)
    run.wait()
    assert_healed(loaded, before)


def test_killed_before_the_marker_of_the_first_load(tiny_shop: Workspace, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "data", tiny_shop.settings)
    for source in ("shop", "api", "files"):
        deadly = ["execute_sql", f'INSERT INTO "raw_{source}"."_dlt_loads"', "-1", "--source", source]
        killed = space.run(sys.executable, "-c", DEADLY, *deadly, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    # Every row is there, so the next run finds nothing new.
    assert_healed(space, keys_held(space))
    [(tables, unchanged)] = space.warehouse(
        "select count(*), count(*) filter (where rows_read = rows_unchanged) from raw_ops.table_loads"
    )
    assert tables > unchanged > 10
    # It learned of the tables all the same, or it would not notice that a column has another type now.
    days = "alter table shop.suppliers alter lead_time_days type {}"
    space.shop(days.format("text using lead_time_days || ' days'"))
    try:
        space.shop("update shop.suppliers set updated_at = now() where supplier_id = 1")
        space.ingest("--source", "shop", "--tables", "suppliers")
        told = "select lead_time_days__v_text like '% days' from raw_shop.suppliers where supplier_id = 1"
        assert space.warehouse(told) == [(True,)]
    finally:
        space.shop(days.format("int using split_part(lead_time_days, ' ', 1)::int"))


@pytest.mark.parametrize("way", WAYS)
def test_killed_when_a_table_was_filled_for_the_first_time(tiny_shop: Workspace, tmp_path: Path, way: str) -> None:
    space = Workspace(tmp_path / "data", tiny_shop.settings | WAYS[way] | {"SOURCES__SHOP__TABLES": '["wide"]'})
    space.shop(
        """
        create table if not exists shop.wide (id int primary key, words text, updated_at timestamptz);
        truncate shop.wide;
        insert into shop.wide select n, repeat('x', 10000), now() from generate_series(1, 8000) as n;
        analyze shop.wide;
        grant select on shop.wide to storehouse_loader;
        """
    )
    deadly = ["execute_sql", '"wide" ("id"', "1", "--source", "shop"]
    killed = space.run(sys.executable, "-c", DEADLY, *deadly, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    # The scan was not committed yet, the file was, but not its marker.
    [(held,)] = space.warehouse("select count(*) from raw_shop.wide")
    assert held == {"scan": 0, "copy": 8000}[way]
    space.shop("update shop.wide set words = 'changed', updated_at = now() where id % 2 = 0")
    space.ingest("--source", "shop")
    assert_equal(space, "wide")


def start_slow_fill(space: Workspace) -> subprocess.Popen:
    """Begin a load that rests for a minute in the middle of a new table, and wait for that."""
    space.shop(
        """
        drop table if exists shop.long;
        create table shop.long (id int primary key, words text, updated_at timestamptz);
        insert into shop.long select n, repeat('x', 500), now() from generate_series(1, 100000) as n;
        analyze shop.long;
        grant select on shop.long to storehouse_loader;
        create or replace function shop.rest_at(id int) returns boolean language plpgsql
        as 'begin if id = 50000 then perform pg_sleep(60); end if; return true; end';
        alter table shop.long enable row level security;
        create policy slow on shop.long for select to storehouse_loader using (shop.rest_at(id));
        """
    )
    run = subprocess.Popen(
        [sys.executable, "-m", "ingestion", "--source", "shop"],
        cwd=ROOT,
        env=space.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while run.poll() is None and not space.shop("select 1 from pg_stat_activity where wait_event = 'PgSleep'"):
        time.sleep(0.1)
    return run


def end_rest(space: Workspace) -> None:
    """Break the connection that rests, and let the next one run through."""
    space.shop("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'")
    space.shop("alter table shop.long disable row level security")


def assert_equal(space: Workspace, table: str) -> None:
    """Raw holds the table as it is, and the last load counted every row."""
    rows = f"select id, words, updated_at from {{}}.{table} order by id"
    assert space.warehouse(rows.format("raw_shop")) == space.shop(rows.format("shop"))
    [(read, accounted)] = space.warehouse(
        "select rows_read, rows_loaded + rows_rejected + rows_unchanged from raw_ops.table_loads order by load_id desc "
        "limit 1"
    )
    assert [(read,)] == [(accounted,)] == space.shop(f"select count(*) from shop.{table}")


@pytest.mark.parametrize("way", WAYS)
def test_killed_in_the_middle_of_a_table(tiny_shop: Workspace, tmp_path: Path, way: str) -> None:
    space = Workspace(tmp_path / "data", tiny_shop.settings | WAYS[way] | {"SOURCES__SHOP__TABLES": '["long"]'})
    run = start_slow_fill(space)
    run.kill()
    run.communicate()
    tables = space.warehouse("select table_name from information_schema.tables where table_name = 'long'")
    assert not tables or space.warehouse("select count(*) from raw_shop.long") == [(0,)]
    end_rest(space)
    space.ingest("--source", "shop")
    assert_equal(space, "long")


@pytest.mark.parametrize("way", WAYS)
def test_the_shop_goes_away_in_the_middle_of_a_table(tiny_shop: Workspace, tmp_path: Path, way: str) -> None:
    space = Workspace(tmp_path / "data", tiny_shop.settings | WAYS[way] | {"SOURCES__SHOP__TABLES": '["long"]'})
    run = start_slow_fill(space)
    end_rest(space)
    told, error = run.communicate()
    assert run.returncode == 1, told
    # psycopg2 may print a line of its own before.
    error = error.splitlines()[-1]
    assert error.startswith("Error: Reading the shop's Postgres failed: ") and error.endswith("and run again.")
    password = space.settings["SOURCES__SHOP__CREDENTIALS"].split(":")[2].split("@")[0]
    assert password not in told + error
    space.ingest("--source", "shop")
    assert_equal(space, "long")


@pytest.mark.parametrize("way", WAYS)
def test_tables_that_are_filled_show_one_moment(tiny_shop: Workspace, tmp_path: Path, way: str) -> None:
    tables = {"SOURCES__SHOP__TABLES": '["one", "other"]', "LOAD__WORKERS": "1"}
    space = Workspace(tmp_path / "data", tiny_shop.settings | WAYS[way] | tables)
    # Reading waits for a lock.
    for table in ("one", "other"):
        space.shop(
            f"""
            drop table if exists shop.{table};
            create table shop.{table} (id int primary key, words text, updated_at timestamptz);
            insert into shop.{table} select n, 'before', now() from generate_series(1, 10) as n;
            create or replace function shop.wait() returns boolean language plpgsql
            as 'begin perform pg_advisory_xact_lock_shared(14); return true; end';
            alter table shop.{table} enable row level security;
            create policy slow on shop.{table} for select to storehouse_loader using (shop.wait());
            grant select on shop.{table} to storehouse_loader;
            """
        )
    url = space.settings["DEMO_SHOP_ADMIN_URL"].replace("postgresql+psycopg2://", "postgresql://")
    holder = psycopg2.connect(url)
    holder.cursor().execute("select pg_advisory_lock(14)")
    run = subprocess.Popen([sys.executable, "-m", "ingestion", "--source", "shop"], cwd=ROOT, env=space.env)
    while run.poll() is None and not space.shop("select 1 from pg_stat_activity where wait_event = 'advisory'"):
        time.sleep(0.1)
    changed = [f"update shop.{table} set words = 'after', updated_at = now()" for table in ("one", "other")]
    space.shop("; ".join(changed))
    holder.close()
    assert run.wait() == 0
    held = "select distinct words from raw_shop.one union all select distinct words from raw_shop.other"
    assert space.warehouse(held) == [("before",), ("before",)]
    space.ingest("--source", "shop")
    assert space.warehouse(held) == [("after",), ("after",)]
