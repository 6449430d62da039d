"""Retention: delete what is older than the configuration wants to keep. Zero keeps for ever."""

import os
import shutil
import time
from pathlib import Path

import duckdb

from operations.lock import only_writer
from operations.settings import BACKUPS, DATA_DIR, EXPORTS, WAREHOUSE, setting
from operations.steps import step

LOGS = Path(os.environ.get("DBT_LOG_PATH", DATA_DIR / "logs"))
HISTORY = {"steps": "started_at", "dbt_results": "started_at", "source_freshness": "checked_at"}


def prune() -> dict[str, int]:
    """Delete what is too old; return how much of what. Published states are pruned by every publish."""
    with step("prune"), only_writer("prune"):
        return {
            "exports": prune_folders(Path(EXPORTS), setting("keep_exports", 0)),
            "backups": prune_folders(BACKUPS, setting("keep_backups", 0)),
            "logs": prune_logs(setting("keep_log_days", 0)),
            **prune_tables(setting("keep_history_days", 0), setting("keep_click_days", 0)),
        }


def prune_folders(parent: Path, keep: int) -> int:
    """Delete the oldest folders, which are named after their time."""
    old = sorted(parent.glob("2*/"))[:-keep] if keep else []
    for folder in old:
        shutil.rmtree(folder)
    return len(old)


def prune_logs(days: int) -> int:
    """Delete log files that nothing was written to for some days."""
    old = [path for path in LOGS.glob("*.log*") if days and path.stat().st_mtime < time.time() - days * 24 * 3600]
    for path in old:
        path.unlink()
    return len(old)


def prune_tables(history_days: int, click_days: int) -> dict[str, int]:
    """Delete old history, and lines of click events that are older than the newest by some days."""
    if not WAREHOUSE.exists() or not (history_days or click_days):
        return {}
    deleted = {"rows of history": 0, "raw click events": 0}
    with duckdb.connect(WAREHOUSE) as connection:
        tables = set(connection.sql("select schema_name, table_name from duckdb_tables()").fetchall())
        for table, column in HISTORY.items():
            if history_days and ("raw_ops", table) in tables:
                old = f"delete from raw_ops.{table} where {column} < current_timestamp - interval {history_days} day"
                deleted["rows of history"] += connection.execute(old).fetchone()[0]
        if click_days and ("raw_files", "clickstream") in tables:
            day = "cast(regexp_extract(file_path, 'date=([0-9-]{10})', 1) as date)"
            old = f"""
                delete from raw_files.clickstream
                where {day} < (select max({day}) from raw_files.clickstream) - {click_days}
            """
            deleted["raw click events"] = connection.execute(old).fetchone()[0]
    return deleted
