"""`dbt build` as a step of a run, and what it leaves for the history; as `__main__`, the dbt commands themselves."""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from operations.settings import DATA_DIR

TARGET = Path(os.environ.get("DBT_TARGET_PATH", DATA_DIR / "target"))


def build(arguments: Sequence[str]) -> int:
    """Build and test, under the lock; put everything that dbt says about it into the history."""
    from operations.history import note_dbt, record
    from operations.lock import only_writer
    from operations.process import run_locked

    since = datetime.now(UTC)
    with only_writer("build"):
        code = run_locked("build", [sys.executable, "-m", "operations.build", *arguments])
        note_dbt(TARGET, since)
        record()
    return code


def main(arguments: list[str]) -> int:
    """Check the freshness of the sources and build, in one process that parses the project once."""
    from dbt.cli.main import dbtRunner

    parsed = dbtRunner().invoke(["--quiet", "parse"])
    if not parsed.success:
        return 2
    dbt = dbtRunner(manifest=parsed.result)
    if not arguments:
        # A late source is no reason to stop: it is told by the alerts.
        dbt.invoke(["--quiet", "source", "freshness"])
    built = dbt.invoke(["build", *arguments])
    return 0 if built.success else 1 if built.exception is None else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
