"""Show the rows that the failed tests of the last dbt command found, and keep them: `python -m scripts.failures`.

The tests run again with dbt's own `--store-failures`, which leaves a table for each in the schema `test_failures`.
"""

import json
import os
import sys
from pathlib import Path

from dbt.cli.main import dbtRunner

from ingestion.errors import KindError
from operations.lock import only_writer

DATA_DIR = Path(os.environ.get("STOREHOUSE_DATA_DIR", "data"))
RESULTS = Path(os.environ.get("DBT_TARGET_PATH", DATA_DIR / "target")) / "run_results.json"
ROWS = "10"


def show(results: list[dict]) -> None:
    """Print what each failed test found."""
    dbt = dbtRunner()
    for result in results:
        if result["unique_id"].startswith("unit_test."):
            print(f"\n▸ {result['unique_id'].split('.')[-1]}\n{result['message']}")
    names = [result["unique_id"].split(".")[2] for result in results if result["unique_id"].startswith("test.")]
    if not names:
        return
    again = dbt.invoke(["--quiet", "test", "--store-failures", "--select", *names])
    for result in again.result.results:
        if result.status in ("fail", "warn"):
            table = result.node.relation_name
            print(f"\n▸ {result.node.name}: {result.failures} rows ({result.status}), in {table}", flush=True)
            # The log keeps what it is told, and these rows may hold personal data.
            dbt.invoke(
                ["--quiet", "--log-level-file", "none", "show", "--limit", ROWS, "--inline", f"select * from {table}"]
            )


def main() -> int:
    """Look for failed tests in the results of the last command, and leave those as they are."""
    if not RESULTS.exists():
        raise KindError("Nothing was tested yet. Next: make build")
    last = RESULTS.read_text()
    failed = [result for result in json.loads(last)["results"] if result["status"] in ("fail", "warn")]
    if not failed:
        print("✓ No test of the last command failed.")
        return 0
    try:
        with only_writer("failures"):
            show(failed)
    finally:
        RESULTS.write_text(last)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KindError as error:
        sys.exit(f"✗ {error}")
