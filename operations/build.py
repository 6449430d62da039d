"""`dbt build` as a step of a run, and what it leaves for the history; as `__main__`, the dbt commands themselves."""

import gc
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from operations.settings import DATA_DIR

TARGET = Path(os.environ.get("DBT_TARGET_PATH", DATA_DIR / "target"))


def build(arguments: Sequence[str]) -> int:
    """Build and test, under the lock; put everything that dbt says about it into the history."""
    from operations.alerts import Alert, announce
    from operations.history import note_dbt, record
    from operations.lock import only_writer
    from operations.process import run_locked

    since = datetime.now(UTC)
    with only_writer("build"):
        code = run_locked("build", [sys.executable, "-m", "operations.build", *arguments])
        note_dbt(TARGET, since)
        record()
    if code:
        announce(Alert.of_step("build", summary(TARGET, since)))
    return code


def summary(target: Path, since: datetime) -> str:
    """The first things that failed, for an alert that must not depend on the warehouse."""
    path = target / "run_results.json"
    if not path.exists() or path.stat().st_mtime < since.timestamp():
        return "dbt did not come as far as building."
    results = json.loads(path.read_text())["results"]
    bad = [item["unique_id"].split(".")[2] for item in results if item["status"] in ("error", "fail", "runtime error")]
    return f"{len(bad)} models or tests failed: {', '.join(bad[:5])}{', …' if len(bad) > 5 else ''}"


def main(arguments: list[str]) -> int:
    """Check the freshness of the sources and build, in one process that parses the project once."""
    from dbt.cli.main import dbtRunner

    # The project stays in memory to the end: looking for garbage in it again and again takes a tenth of the time.
    gc.disable()
    parsed = dbtRunner().invoke(["--quiet", "parse"])
    if not parsed.success:
        return 2
    dbt = dbtRunner(manifest=parsed.result)
    if not arguments:
        # A late source is no reason to stop: it is told by the alerts.
        dbt.invoke(["--quiet", "source", "freshness"])
    # Unit tests are about the code alone: `make try`, `make test` and dbt itself run them, and no night has to.
    built = dbt.invoke(["build", "--exclude-resource-type", "unit_test", *arguments])
    return 0 if built.success else 1 if built.exception is None else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
