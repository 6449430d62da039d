"""What a run writes down about itself: small files under `<data>/runs/`, until `record` has loaded them.

So nothing is lost when the warehouse is locked or broken at that moment.
"""

import json
import os
import time
from pathlib import Path
from typing import Any

from operations.settings import DATA_DIR

RUNS = DATA_DIR / "runs"


def note(table: str, rows: list[dict[str, Any]]) -> None:
    """Write rows for a table of the history into a file of their own, whole or not at all."""
    RUNS.mkdir(parents=True, exist_ok=True)
    path = RUNS / f"{time.time_ns()}-{os.getpid()}.json"
    with path.with_suffix(".part").open("w") as file:
        json.dump({"table": table, "rows": rows}, file, default=str)
        file.flush()
        os.fsync(file.fileno())
    path.with_suffix(".part").replace(path)


def noted() -> list[Path]:
    """The files that were not loaded yet, the oldest first."""
    return sorted(RUNS.glob("*.json"))
