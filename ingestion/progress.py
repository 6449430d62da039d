"""Shows what dlt is doing: a moving line on a terminal, one line a step elsewhere."""

import time
from collections import Counter

from dlt.common.runtime.collector import Collector
from rich.console import Console

VERBS = {"Extract": "reading", "Normalize": "preparing", "Load": "loading"}


class Progress(Collector):
    """Counts rows for dlt and prints them for a person."""

    def __init__(self, source: str, console: Console) -> None:
        self.source = source
        self.console = console
        self.status = console.status("")
        self.rows: Counter[str] = Counter()
        self.verb = ""

    def update(
        self,
        name: str,
        inc: int = 1,
        total: int | None = None,
        inc_total: int | None = None,
        message: str | None = None,
        label: str | None = None,
    ) -> None:
        """Count, and show the count of what moves."""
        self.rows[name] += inc
        self.status.update(f"{self.source}: {self.verb} {name} {self.rows[name]:,}")

    def say(self, line: str) -> None:
        """Print a line as it is."""
        self.console.print(line, soft_wrap=True, markup=False)

    def _start(self, step: str) -> None:
        self.verb = next((verb for known, verb in VERBS.items() if step.startswith(known)), step.lower())
        self.rows.clear()
        self.started = time.monotonic()
        self.status.update(f"{self.source}: {self.verb}")
        self.status.start()

    def _stop(self) -> None:
        self.status.stop()
        seconds = time.monotonic() - self.started
        rows = self.rows.total() - self.rows["Resources"]
        # dlt extracts its own state in a step of its own.
        if self.verb == "reading" and "_dlt_pipeline_state" not in self.rows:
            self.console.print(f"{self.source}: read, {rows:,} rows new or changed, {seconds:.1f} s")
        elif self.verb == "loading":
            self.console.print(f"{self.source}: loaded, {seconds:.1f} s")
