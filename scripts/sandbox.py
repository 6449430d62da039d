"""Build and test what was edited since the last whole build, and say what it changes: `python -m scripts.sandbox`.

The models go into a DuckDB file of their own and read everything else from the warehouse (dbt's `--defer`), which stays
as it is. What was edited is found by dbt's `state:modified+`; another selection may be given instead.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import duckdb

from ingestion.errors import KindError
from operations.lock import only_writer

DATA_DIR = Path(os.environ.get("STOREHOUSE_DATA_DIR", "data"))
STATE = DATA_DIR / "state"
SANDBOX = DATA_DIR / "sandbox.duckdb"
WAREHOUSE = DATA_DIR / "warehouse.duckdb"
TARGET = DATA_DIR / "sandbox"
DBT = Path(sys.executable).parent / "dbt"
ROWS = 10


def build(selection: list[str]) -> int:
    """Build and test with dbt; its exit code."""
    SANDBOX.unlink(missing_ok=True)
    return subprocess.run(
        [
            *(DBT, "--quiet", "build", "--target", "sandbox", "--target-path", TARGET),
            *("--defer", "--favor-state", "--state", STATE, "--select", *selection),
        ]
    ).returncode


def models_built() -> list[str]:
    """The tables and views of the last build here, as schema.name."""
    results = json.loads((TARGET / "run_results.json").read_text())["results"]
    return [
        result["relation_name"].replace('"', "").partition(".")[2]
        for result in results
        if result["unique_id"].startswith("model.") and result["status"] == "success"
    ]


def describe(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Compare a model in the sandbox with the one in the warehouse, and show some of its rows: changed ones, if any."""
    new, old = f"sandbox.{name}", f"warehouse.{name}"
    [(rows,)] = connection.sql(f"select count(*) from {new}").fetchall()
    shown = f"from {new}"
    try:
        changed = f"(from {new} except all from {old})"
        [(after,)] = connection.sql(f"select count(*) from {changed}").fetchall()
        [(before,)] = connection.sql(f"select count(*) from (from {old} except all from {new})").fetchall()
        verdict = f"{after:,} are new or changed, {before:,} of the warehouse are gone"
        shown = f"from {changed}" if after else shown
    except (duckdb.CatalogException, duckdb.BinderException):
        verdict = "the warehouse has no table with these columns"
    print(f"\n▸ {name}: {rows:,} rows; {verdict}", flush=True)
    connection.sql(f"{shown} limit {ROWS}").show(max_width=160)


def main(selection: list[str]) -> int:
    """Build, test and describe; 0 when all went well."""
    if not (STATE / "manifest.json").exists() or not WAREHOUSE.exists():
        raise KindError("There is nothing to compare with yet. Next: make build")
    with only_writer("try"):
        code = build(selection)
        built = models_built() if SANDBOX.exists() else []
        if built:
            with duckdb.connect() as connection:
                connection.execute("set TimeZone = 'UTC'")
                connection.execute(f"attach '{SANDBOX}' as sandbox (read_only)")
                connection.execute(f"attach '{WAREHOUSE}' as warehouse (read_only)")
                for name in built:
                    describe(connection, name)
    print(f"\n{'✗' if code else '✓'} {len(built)} models built in {SANDBOX}; the warehouse is as it was.")
    if code:
        print("  Nothing edited since the last make build? Then name a model: make try SELECT=model+")
        print("  A model of staging reads raw data, which are not here: make build SELECT=model+")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:] or ["state:modified+"]))
    except KindError as error:
        sys.exit(f"✗ {error}")
