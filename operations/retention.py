"""Retention: delete what is older than the configuration wants to keep. Zero keeps for ever."""

import os
import shutil
import time
from pathlib import Path

from ingestion.warehouse import open_warehouse
from operations.lock import only_writer
from operations.settings import BACKUPS, DATA_DIR, EXPORTS, setting
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
    if not (history_days or click_days):
        return {}
    day = "cast(substr(split_part(file_path, 'date=', 2), 1, 10) as date)"
    too_old = f"current_timestamp - interval '{history_days} days'"
    old = {f"raw_ops.{table}": f"{column} < {too_old}" for table, column in HISTORY.items() if history_days}
    if click_days:
        old["raw_files.clickstream"] = f"{day} < (select max({day}) from raw_files.clickstream) - {click_days}"
    deleted = {"rows of history": 0, "raw click events": 0}
    with open_warehouse(DATA_DIR) as warehouse:
        there = warehouse.query("select table_schema || '.' || table_name from information_schema.tables")
        for table, is_old in old.items():
            if (table,) in there:
                what = "raw click events" if table == "raw_files.clickstream" else "rows of history"
                deleted[what] += warehouse.query(f"select count(*) from {table} where {is_old}")[0][0]
                warehouse.query(f"delete from {table} where {is_old}")
    return deleted
