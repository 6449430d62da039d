"""Checks, before dbt starts, what would otherwise end in the middle of a build: `python scripts/preflight.py`.

Each problem is one line that says what, where and what to do; exit code 75 (try again later) for a warehouse that
another process holds, 1 for the rest.
"""

import os
import re
import shutil
import sys
from contextlib import closing
from pathlib import Path

import duckdb

sys.path.insert(0, str(Path(__file__).parents[1]))
from ingestion.errors import KindError
from warehouses import postgres, spark

DATA_DIR = Path(os.environ.get("STOREHOUSE_DATA_DIR", "data"))
WAREHOUSE = DATA_DIR / "warehouse.duckdb"
MINIMUM_FREE_BYTES = 200 * 1024**2


def problem_of_server(target: str) -> tuple[str, int] | None:
    """The first problem of a warehouse that is a server, or None."""
    try:
        if target == "spark":
            spark.check()
            loaded = (spark.folder("spark") / "landing.duckdb").exists()
        else:
            with closing(postgres.connect("transformer")) as connection, connection.cursor() as cursor:
                cursor.execute("select 1 from information_schema.schemata where schema_name = 'raw_shop'")
                loaded = cursor.fetchone()
    except KindError as error:
        return str(error), error.exit_code
    return None if loaded else (f"Nothing is loaded yet. Load it first: make ingest TARGET={target}.", 1)


def problem() -> tuple[str, int] | None:
    """Return the first problem found as (message, exit code), or None when the build can start."""
    target = os.environ.get("STOREHOUSE_TARGET", "dev")
    if target in ("postgres", "spark"):
        return problem_of_server(target)
    if not WAREHOUSE.exists():
        return f"There is no warehouse at {WAREHOUSE} yet. Load it first: make ingest (or make run for everything).", 1
    # A build rewrites tables before it drops the old ones.
    needed = max(MINIMUM_FREE_BYTES, WAREHOUSE.stat().st_size)
    free = shutil.disk_usage(DATA_DIR).free
    if free < needed:
        return (
            f"The disk of {DATA_DIR}/ is nearly full: {free // 1024**2} MB free, {needed // 1024**2} MB wanted. "
            "Free some space, or point STOREHOUSE_DATA_DIR at a larger disk; then run it again.",
            1,
        )
    try:
        duckdb.connect(str(WAREHOUSE)).close()
    except duckdb.IOException as error:
        if "lock" not in str(error):
            return f"The warehouse {WAREHOUSE} cannot be opened: {str(error).splitlines()[0]}", 1
        holder = re.search(r"\(PID (\d+)\)", str(error))
        process = f"process {holder.group(1)}" if holder else "another process"
        return (
            f"The warehouse {WAREHOUSE} is held by {process}. Close it (a notebook, a DuckDB shell, another run) "
            "and run this again.",
            75,
        )
    return None


if __name__ == "__main__":
    if found := problem():
        message, code = found
        print(f"✗ {message}", file=sys.stderr)
        sys.exit(code)
