"""Show the rows that the failed tests of the last dbt command found, and keep them: `python -m scripts.failures`.

The last command is that on the warehouse or that of `make try` in the sandbox, whichever is newer. The tests run again
with dbt's own `--store-failures`, which leaves a table for each in the schema `test_failures` of the same database.
"""

import json
import os
import sys
from pathlib import Path

from dbt.cli.main import dbtRunner

from ingestion.errors import KindError
from operations.lock import only_writer
from scripts import sandbox

DATA_DIR = Path(os.environ.get("STOREHOUSE_DATA_DIR", "data"))
RESULTS = Path(os.environ.get("DBT_TARGET_PATH", DATA_DIR / "target")) / "run_results.json"
ROWS = "10"


def last_command() -> tuple[Path, dict]:
    """The newer of the results in the warehouse and in the sandbox, and where they are."""
    there = [path for path in (RESULTS, sandbox.RESULTS) if path.exists()]
    if not there:
        raise KindError("Nothing was tested yet. Next: make build")
    found = [(path, json.loads(path.read_text())) for path in there]
    return max(found, key=lambda each: each[1]["metadata"]["generated_at"])


def named(path: Path, last: dict) -> str:
    """The command and its time, as a person would say it."""
    selection = last["args"].get("select") or []
    if path == sandbox.RESULTS:
        command = ["make try", *([] if selection == sandbox.EDITED else [f"SELECT={' '.join(selection)}"])]
    else:
        command = [f"dbt {last['args']['which']}", *(["--select", *selection] if selection else [])]
    return f"{' '.join(command)} ({last['metadata']['generated_at'][:16].replace('T', ' ')} UTC)"


def show(results: list[dict], where: list[str]) -> None:
    """Print what each failed test found, and each error."""
    dbt = dbtRunner()
    for result in results:
        if result["unique_id"].startswith("unit_test.") or result["status"] == "error":
            print(f"\n▸ {result['unique_id'].split('.')[-1]}\n{result['message']}", flush=True)
    data_tests = [item for item in results if item["unique_id"].startswith("test.") and item["status"] != "error"]
    if not data_tests:
        return
    names = [item["unique_id"].split(".")[2] for item in data_tests]
    again = dbt.invoke(["--quiet", "test", *where, "--store-failures", "--select", *names])
    for result in again.result.results:
        if result.status in ("fail", "warn"):
            table = result.node.relation_name
            print(f"\n▸ {result.node.name}: {result.failures} rows ({result.status}), in {table}", flush=True)
            # The log keeps what it is told, and these rows may hold personal data.
            query = ["--limit", ROWS, "--inline", f"select * from {table}"]
            dbt.invoke(["--quiet", "--log-level-file", "none", "show", *where, *query])


def main() -> int:
    """Look for failed tests in the results of the last command, and leave those as they are."""
    path, last = last_command()
    failed = [result for result in last["results"] if result["status"] in (*sandbox.BAD, "warn")]
    if not failed:
        print(f"✓ No test of the last command failed: {named(path, last)}.")
        return 0
    print(f"What failed in {named(path, last)}:")
    try:
        with only_writer("failures"):
            show(failed, sandbox.HERE if path == sandbox.RESULTS else [])
    finally:
        path.write_text(json.dumps(last))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KindError as error:
        sys.exit(f"✗ {error}")
