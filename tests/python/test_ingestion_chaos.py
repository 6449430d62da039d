"""Loads that are killed, at random and at the worst moments: one plain run later, raw is as if nothing had happened.

A handful of kills by default; STOREHOUSE_CHAOS_ROUNDS says how many are at random (`make chaos`: 30).
"""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from conftest import ROOT, Workspace
from test_ingestion import KEY_TABLES, KEYS, assert_files_equal_raw, assert_raw_equals_shop

ROUNDS = int(os.environ.get("STOREHOUSE_CHAOS_ROUNDS", "2"))

# Runs the command with dlt's own steps made deadly: the process kills itself after the n-th one that matches.
DEADLY = """
import os, runpy, signal, sys
os.environ.setdefault("DLT_PROJECT_DIR", os.getcwd())
from dlt.destinations.impl.duckdb.sql_client import DuckDbSqlClient

method, pattern, left = sys.argv[1], sys.argv[2], int(sys.argv[3])
original = getattr(DuckDbSqlClient, method)

def deadly(self, *arguments, **options):
    global left
    result = original(self, *arguments, **options)
    if pattern in (arguments[0] if arguments else ""):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
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
