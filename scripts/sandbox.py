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
import yaml

from ingestion.errors import KindError
from operations.lock import only_writer
from operations.settings import quote

DATA_DIR = Path(os.environ.get("STOREHOUSE_DATA_DIR", "data"))
STATE = DATA_DIR / "state"
SANDBOX = DATA_DIR / "sandbox.duckdb"
WAREHOUSE = DATA_DIR / "warehouse.duckdb"
TARGET = DATA_DIR / "sandbox"
RESULTS = TARGET / "run_results.json"
DBT = Path(sys.executable).parent / "dbt"
# What is not in the sandbox is read from the warehouse.
HERE = ["--target", "sandbox", "--target-path", str(TARGET), "--defer", "--state", str(STATE)]
EDITED = ["state:modified+"]
BAD = ("error", "fail", "runtime error")
ROWS, WIDTH = 10, 160


def build(selection: list[str], *options: str) -> int:
    """Build and test with dbt; its exit code. RESULTS says what it did, unless it did not come as far as building."""
    for path in (SANDBOX, RESULTS):
        path.unlink(missing_ok=True)
    # Two things are no error here: that nothing is selected, which an empty RESULTS tells, and that a column goes.
    warnings = yaml.safe_load(Path("dbt_project.yml").read_text())["flags"]["warn_error_options"]
    warnings["warn"] += ["NoNodesForSelectionCriteria", "NothingToDo", "UnversionedBreakingChange"]
    return subprocess.run(
        [
            *(DBT, "--quiet", "build", *HERE, *options, "--warn-error-options", json.dumps(warnings)),
            *("--favor-state", "--select", *selection),
        ]
    ).returncode


def build_all_the_same(selection: list[str]) -> int:
    """Build; and when only unit tests failed, build what they held up as well, so that its rows can be seen."""
    code = build(selection)
    bad = [result for result in results() if result["status"] in BAD]
    if bad and all(result["unique_id"].startswith("unit_test.") and result["status"] == "fail" for result in bad):
        print("\n▸ Unit tests failed. Building without them, to see the rows.", flush=True)
        build(selection, "--exclude-resource-type", "unit_test")
        if RESULTS.exists():
            both = json.loads(RESULTS.read_text())
            both["results"] += bad
            RESULTS.write_text(json.dumps(both))
    return code


def results() -> list[dict]:
    """What the last build here did with each model and test."""
    return json.loads(RESULTS.read_text())["results"] if RESULTS.exists() else []


def models_built(done: list[dict]) -> list[dict]:
    """The models among what was done, as dbt's manifest describes them."""
    nodes = json.loads((TARGET / "manifest.json").read_text())["nodes"] if done else {}
    names = [result["unique_id"] for result in done if result["status"] == "success"]
    return [nodes[name] for name in names if name.startswith("model.")]


def columns(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    """The columns of a table, each with its type; none when there is no such table."""
    try:
        return {name: kind for name, kind, *_ in connection.sql(f"describe {table}").fetchall()}
    except duckdb.CatalogException:
        return {}


def describe(connection: duckdb.DuckDBPyConnection, node: dict) -> None:
    """Compare a model in the sandbox with the one in the warehouse, and show some of its rows: changed ones, if any."""
    name = f"{node['schema']}.{node['alias']}"
    new, old = columns(connection, f"sandbox.{name}"), columns(connection, f"warehouse.{name}")
    [(rows,)] = connection.sql(f"select count(*) from sandbox.{name}").fetchall()
    print(f"\n▸ {name}: {rows:,} rows; ", end="", flush=True)
    if not old:
        print("the warehouse has no such table yet", flush=True)
        return connection.sql(f"from sandbox.{name} limit {ROWS}").show(max_width=WIDTH)

    common = [column for column, kind in new.items() if old.get(column) == kind]
    unique = node["config"].get("unique_key") or []
    key = node.get("primary_key") or ([unique] if isinstance(unique, str) else unique)
    # Without a key in both, a row is the same when all of it is.
    key = key if key and set(key) <= set(common) else common
    compared = [column for column in common if column not in key]
    same_key = " and ".join(f"new.{quote(column)} is not distinct from old.{quote(column)}" for column in key)
    differs = {column: f"new.{quote(column)} is distinct from old.{quote(column)}" for column in compared}
    changed = f"new.here and old.here and ({' or '.join(differs.values()) or 'false'})"
    pairs = f"""
        from (select *, true as here from sandbox.{name}) as new
        full join (select *, true as here from warehouse.{name}) as old on {same_key or "false"}
    """
    counted = ["old.here is null", changed, "new.here is null", *(f"{changed} and {rule}" for rule in differs.values())]
    [(added, edited, gone, *by_column)] = connection.sql(
        f"select {', '.join(f'count(*) filter ({rule})' for rule in counted)} {pairs}"
    ).fetchall()
    changes = {column: count for column, count in zip(compared, by_column, strict=True) if count}
    facts = {
        "differs in": [f"{column} ({count:,})" for column, count in changes.items()],
        "new columns": [f"{column} {kind}" for column, kind in new.items() if column not in common],
        "lost columns": [f"{column} {kind}" for column, kind in old.items() if column not in common],
    }
    print(f"{added:,} new, {edited:,} changed, {gone:,} gone", end="")
    print(*(f"; {fact}: {', '.join(names)}" for fact, names in facts.items() if names), sep="", flush=True)

    # What changed, beside the key; all columns when only rows came or nothing did.
    keys = [f"new.{quote(column)}" for column in key]
    seen = [f"{side}.{quote(column)} as {quote(f'{column} ({side})')}" for column in changes for side in ("old", "new")]
    seen += [f"new.{quote(column)}" for column in new if column not in common]
    seen = keys + (seen or [f"new.{quote(column)}" for column in compared])
    shown = f"new.here and (old.here is null or {changed})" if added or edited else "new.here"
    order = ["old.here nulls last", *keys]
    connection.sql(f"select {', '.join(seen)} {pairs} where {shown} order by {', '.join(order)} limit {ROWS}").show(
        max_width=WIDTH
    )


def advice(failed: list[dict]) -> str:
    """What to do about a build that is not green."""
    if not RESULTS.exists():
        return "dbt did not come as far as building; it says why above."
    if any('"raw_' in (result["message"] or "") for result in failed):
        return "A model of staging reads raw data, which are not here: .venv/bin/dbt build --select base_shop__<table>+"
    if any(result["status"] != "fail" for result in failed):
        return "Mend the error that dbt shows above."
    return "Next: make failures shows what the failed tests found."


def main(selection: list[str]) -> int:
    """Build, test and describe; 0 when all went well, and when nothing was edited."""
    if not (STATE / "manifest.json").exists() or not WAREHOUSE.exists():
        raise KindError("There is nothing to compare with yet. Next: make build")
    with only_writer("try"):
        code = build_all_the_same(selection or EDITED)
        done = results()
        if RESULTS.exists() and not done:
            if selection:
                raise KindError(f"Nothing is called {' '.join(selection)}.")
            print("✓ Nothing was edited since the last whole make build. For a model as it is: make try SELECT=model")
            return code
        built = models_built(done)
        if built:
            with duckdb.connect() as connection:
                connection.execute("set TimeZone = 'UTC'")
                connection.execute(f"attach '{SANDBOX}' as sandbox (read_only)")
                connection.execute(f"attach '{WAREHOUSE}' as warehouse (read_only)")
                for node in built:
                    describe(connection, node)
    print(f"\n{'✗' if code else '✓'} {len(built)} models built in {SANDBOX}; the warehouse is as it was.")
    if code:
        print(f"  {advice([result for result in done if result['status'] in BAD])}")
    return code


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KindError as error:
        sys.exit(f"✗ {error}")
