"""What every load did to every table: a row each of `raw_ops.table_loads`, and a JSON line each in a log file.

For every load and table: rows read = rows loaded + rows rejected + rows unchanged. Rejected here are the lines that
could not be read as text; they are in raw with their reason, and what staging rejects comes on top.
"""

import json
import time
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import dlt
import pyarrow as pa
from dlt.extract import DltSource

from ingestion.sources.fill import filled
from operations.notes import note
from operations.settings import DATA_DIR
from operations.steps import run_id

LOG = DATA_DIR / "logs" / "ingestion.jsonl"


@dataclass
class Reading:
    """What was read of one table, and what of it was new or changed."""

    rows: int = 0
    changed: int = 0
    rejected: int = 0
    bytes: int = 0
    seconds: float = 0
    columns: set[str] = field(default_factory=set)


class Observation:
    """What one load of a source reads, watched from before it begins."""

    def __init__(self, pipeline: dlt.Pipeline, source: DltSource) -> None:
        self.pipeline = pipeline
        self.source = source
        self.tables: dict[str, Reading] = defaultdict(Reading)
        self.started_at = datetime.now(UTC)
        self.last = time.monotonic()
        # Rows of tables that the warehouse filled by itself; none where it alone can count them, when they are there.
        self.filled: dict[str, int | None] = {}
        self.watermarks = self.watermarks_now()
        self.columns = self.columns_now()

    def see(self, table: str, rows: pa.Table) -> None:
        """Count rows as they come; the time since the last ones was spent on them."""
        now = time.monotonic()
        reading = self.tables[table]
        reading.rows += rows.num_rows
        if told := filled(rows):
            reading.bytes += told.bytes
            self.see_filled(table, told.rows)
        reading.seconds += now - self.last
        reading.columns.update(rows.column_names)
        self.last = now

    def see_changed(self, table: str, rows: pa.Table) -> None:
        """Count the rows that go on into the warehouse."""
        reading = self.tables[table]
        reading.changed += rows.num_rows
        if "read_error" in rows.column_names:
            reading.rejected += rows.num_rows - rows["read_error"].null_count

    def see_filled(self, table: str, rows: int | None) -> None:
        """Count rows that went straight into the warehouse, as soon as their number is known."""
        self.filled[table] = rows
        self.tables[table].rows += rows or 0
        self.tables[table].changed += rows or 0

    def watermarks_now(self) -> dict[str, str | None]:
        """How far each resource is, as its state says."""
        resources = self.pipeline.state.get("sources", {}).get(self.source.name, {}).get("resources", {})
        return {
            name: state.get("newest") or state.get("notes", [[None, None]])[-1][1] for name, state in resources.items()
        }

    def columns_now(self) -> dict[str, set[str]]:
        """The columns of the source's tables, as far as they are known."""
        if not self.pipeline.default_schema_name:
            return {}
        return {
            table["name"]: {name for name in table["columns"] if not name.startswith("_dlt_")}
            for table in self.pipeline.default_schema.data_tables()
        }

    def write(self, load_id: str, sizes: dict[str, int]) -> None:
        """Write the load down: for the warehouse, and into the log."""
        watermarks, columns = self.watermarks_now(), self.columns_now()
        rows: list[dict[str, Any]] = []
        for resource in self.source.resources.values():
            table = resource.table_name
            reading = self.tables[table]
            known = self.columns.get(table)
            # A column of text beside a retyped one is there for as long as that lasts.
            lasting = {name for name in known or () if not name.endswith("__v_text")}
            gone = lasting - reading.columns if reading.columns else set()
            rows.append(
                {
                    "run_id": run_id(),
                    "load_id": load_id,
                    "source": self.source.name,
                    "table_name": table,
                    "started_at": self.started_at,
                    "rows_read": reading.rows,
                    "rows_loaded": reading.changed - reading.rejected,
                    "rows_rejected": reading.rejected,
                    "rows_unchanged": reading.rows - reading.changed,
                    "bytes": sizes.get(table, 0) + reading.bytes,
                    "seconds_reading": round(reading.seconds, 3),
                    "watermark_before": self.watermarks.get(resource.name),
                    "watermark_after": watermarks.get(resource.name),
                    "lag_seconds": lag(self.started_at, watermarks.get(resource.name)),
                    "new_columns": names(columns.get(table, set()) - known) if known else None,
                    "missing_columns": names(gone),
                }
            )
        note("table_loads", rows)
        LOG.parent.mkdir(parents=True, exist_ok=True)
        with LOG.open("a") as file:
            file.writelines(json.dumps(row, default=str) + "\n" for row in rows)


def lag(now: datetime, watermark: str | None) -> float | None:
    """How old the newest row is that the source has shown."""
    if watermark is None:
        return None
    newest = datetime.fromisoformat(watermark)
    return round((now - (newest if newest.tzinfo else newest.replace(tzinfo=UTC))).total_seconds(), 1)


def names(columns: set[str]) -> str | None:
    """Names of columns as one text; null when there are none."""
    return ", ".join(sorted(columns)) or None
