"""The history of runs: every step, every result of dbt and every check of freshness, kept in the warehouse."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa

from ingestion.pipeline import forget_unfinished
from ingestion.warehouse import Warehouse, open_warehouse
from operations.lock import only_writer
from operations.notes import note, noted
from operations.settings import DATA_DIR
from operations.steps import run_id

TEXT, NUMBER, SECONDS, TIME = pa.string(), pa.int64(), pa.float64(), pa.timestamp("us", "UTC")
# table -> its key and its columns; models/staging/ops/_ops__sources.yml describes them
TABLES = {
    "steps": (
        ["run_id", "step", "started_at"],
        {"run_id": TEXT, "step": TEXT, "started_at": TIME, "finished_at": TIME, "exit_code": NUMBER, "detail": TEXT},
    ),
    "table_loads": (
        ["load_id", "source", "table_name"],
        {
            "run_id": TEXT,
            "load_id": TEXT,
            "source": TEXT,
            "table_name": TEXT,
            "started_at": TIME,
            "rows_read": NUMBER,
            "rows_loaded": NUMBER,
            "rows_rejected": NUMBER,
            "rows_unchanged": NUMBER,
            "bytes": NUMBER,
            "seconds_reading": SECONDS,
            "watermark_before": TEXT,
            "watermark_after": TEXT,
            "lag_seconds": SECONDS,
            "new_columns": TEXT,
            "missing_columns": TEXT,
        },
    ),
    "dbt_results": (
        ["invocation_id", "unique_id"],
        {
            "invocation_id": TEXT,
            "run_id": TEXT,
            "unique_id": TEXT,
            "resource_type": TEXT,
            "name": TEXT,
            "test_kind": TEXT,
            "model": TEXT,
            "column_name": TEXT,
            "severity": TEXT,
            "quality_area": TEXT,
            "status": TEXT,
            "failures": NUMBER,
            "message": TEXT,
            "started_at": TIME,
            "seconds": SECONDS,
        },
    ),
    "source_freshness": (
        ["invocation_id", "unique_id"],
        {
            "invocation_id": TEXT,
            "run_id": TEXT,
            "unique_id": TEXT,
            "source": TEXT,
            "table_name": TEXT,
            "checked_at": TIME,
            "loaded_at": TIME,
            "status": TEXT,
            "warn_after_minutes": NUMBER,
            "error_after_minutes": NUMBER,
        },
    ),
}


def note_dbt(target: Path, since: datetime) -> None:
    """Write down what dbt's artifacts in a folder say, as far as they are not older than the command."""
    manifest: dict[str, Any] = {}
    for artifact, table, describe in (
        ("sources.json", "source_freshness", freshness),
        ("run_results.json", "dbt_results", result),
    ):
        path = target / artifact
        if not path.exists() or path.stat().st_mtime < since.timestamp():
            continue
        content = json.loads(path.read_text())
        manifest = manifest or json.loads((target / "manifest.json").read_text())
        ids = {"invocation_id": content["metadata"]["invocation_id"], "run_id": run_id()}
        note(table, [ids | describe(item, content, manifest) for item in content["results"]])


def result(item: dict[str, Any], _: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """One node's result in `run_results.json`, with what the manifest knows of the node."""
    unique_id = item["unique_id"]
    node = manifest["nodes"].get(unique_id) or manifest["unit_tests"].get(unique_id) or {}
    parent = node.get("attached_node") or next(iter(node.get("depends_on", {}).get("nodes", [])), None)
    config = node.get("config", {})
    return {
        "unique_id": unique_id,
        "resource_type": unique_id.split(".")[0],
        "name": node.get("name", unique_id),
        "test_kind": (node.get("test_metadata") or {}).get("name"),
        "model": parent.split(".")[-1] if parent and "test" in unique_id.split(".")[0] else node.get("name"),
        "column_name": node.get("column_name"),
        "severity": config.get("severity", "error").lower(),
        "quality_area": (config.get("meta") or {}).get("quality_area"),
        "status": item["status"],
        "failures": item["failures"],
        "message": item["message"],
        "started_at": next((timing["started_at"] for timing in item["timing"]), None),
        "seconds": item["execution_time"],
    }


def freshness(item: dict[str, Any], content: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    """One source's entry in `sources.json`."""
    source = manifest["sources"][item["unique_id"]]
    limits = item.get("criteria") or {}
    return {
        "unique_id": item["unique_id"],
        "source": source["source_name"],
        "table_name": source["name"],
        "checked_at": item.get("snapshotted_at") or content["metadata"]["generated_at"],
        "loaded_at": item.get("max_loaded_at"),
        "status": item["status"],
        "warn_after_minutes": minutes(limits.get("warn_after")),
        "error_after_minutes": minutes(limits.get("error_after")),
    }


def minutes(limit: dict[str, Any] | None) -> int | None:
    """A limit of dbt's freshness in minutes."""
    if not limit or not limit.get("count"):
        return None
    return limit["count"] * {"minute": 1, "hour": 60, "day": 24 * 60}[limit["period"]]


def record(wait_seconds: float | None = None) -> int:
    """Load what was written down into `raw_ops` and delete it; return the number of files."""
    if not noted():
        return 0
    with only_writer("recording the run", wait_seconds=wait_seconds), open_warehouse(DATA_DIR) as warehouse:
        return record_in(warehouse)


def record_in(warehouse: Warehouse) -> int:
    """The same for a writer who has the warehouse open."""
    files = noted()
    if not files:
        return 0
    pipeline = dlt.pipeline(
        pipeline_name="storehouse_ops",
        pipelines_dir=str(warehouse.pipelines_dir),
        destination=warehouse.destination,
        dataset_name="raw_ops",
    )
    forget_unfinished(pipeline)
    # Nothing here goes on where an earlier run ended, so there is no state to ask for.
    pipeline.config.restore_from_destination = False
    resources = [
        dlt.resource(
            rows,
            name=table,
            primary_key=TABLES[table][0],
            write_disposition={"disposition": "merge", "strategy": "delete-insert"},
        )
        for table, rows in tables(files)
    ]
    pipeline.run(resources, loader_file_format=warehouse.file_format)
    for file in files:
        file.unlink()
    return len(files)


def tables(files: list[Path]) -> Iterator[tuple[str, pa.Table]]:
    """What the files hold, by table; the last line about a key counts."""
    found: dict[str, dict[tuple, dict[str, Any]]] = {table: {} for table in TABLES}
    for file in files:
        entry = json.loads(file.read_text())
        keys, columns = TABLES[entry["table"]]
        for noted_row in entry["rows"]:
            row = {
                name: datetime.fromisoformat(value).astimezone(UTC) if value and columns[name] == TIME else value
                for name, value in noted_row.items()
            }
            key = tuple(row[name] for name in keys)
            found[entry["table"]][key] = row
    for table, rows in found.items():
        if rows:
            yield table, pa.Table.from_pylist(list(rows.values()), pa.schema(TABLES[table][1]))
