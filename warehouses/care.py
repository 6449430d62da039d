"""Looks after the tables of the lake: compaction, expiry of snapshots, removal of files that belong to none.

Iceberg keeps every state of every table until it is told to forget: that is what time travel reads, and what fills the
disk. Nothing here changes what a table says now.
"""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from ingestion.errors import KindError
from warehouses import spark

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Iceberg takes younger files for the work of somebody who is still writing.
ORPHANS_AFTER = timedelta(days=3)
FEWEST_FILES = 5
FULL_FILE = 128 * 1024**2


def care(chosen: list[str], keep_days: int, dry_run: bool) -> None:
    """Do what each table needs, or only say what that would be."""
    if keep_days < 0:
        raise KindError("--keep-days must be 0 or more.")
    with spark.session() as session:
        look_after(session, chosen, keep_days, dry_run)


def look_after(session: "SparkSession", chosen: list[str], keep_days: int, dry_run: bool) -> None:
    """The same in a session that is open."""
    now = datetime.now(UTC)
    report = Table(title="Would be done (dry run)" if dry_run else "Done", title_justify="left")
    for heading in ("table", "small files", "snapshots to forget", "files of nobody"):
        report.add_column(heading, justify="left" if heading == "table" else "right", no_wrap=True)
    names = tables(session)
    if unknown := set(chosen) - set(names):
        raise KindError(f"The lake has no table {', '.join(sorted(unknown))}; name them like marts.fct_orders.")
    found = [[name, *care_for(session, name, now, keep_days, dry_run)] for name in chosen or names]
    for name, *numbers in found:
        if any(numbers):
            report.add_row(name, *(f"{number:,}" for number in numbers))
    console = Console(highlight=False)
    if report.row_count:
        console.print(report)
    untouched = len(found) - report.row_count
    console.print(f"✓ {len(found)} tables looked at, {untouched} of them need nothing.")


def tables(session: "SparkSession") -> list[str]:
    """Every table of the lake."""
    return [
        f"{schema.namespace}.{table.tableName}"
        for schema in session.sql("show namespaces").collect()
        for table in session.sql(f"show tables in {schema.namespace}").collect()
        if not table.isTemporary
    ]


def care_for(session: "SparkSession", table: str, now: datetime, keep_days: int, dry_run: bool) -> tuple[int, int, int]:
    """What one table needs: small files to put together, snapshots to forget, and files that no snapshot knows."""
    forget_before = moment(now - timedelta(days=keep_days))
    small = session.sql(f"select count(*) from {table}.files where file_size_in_bytes < {FULL_FILE}").first()[0]
    small = small if small >= FEWEST_FILES else 0
    # The newest one always stays.
    old = session.sql(
        f"select count(*) from {table}.snapshots as old where committed_at < timestamp '{forget_before}' and exists "
        f"(select 1 from {table}.snapshots as new where new.committed_at > old.committed_at)"
    ).first()[0]
    if small and not dry_run:
        session.sql(
            f"call system.rewrite_data_files(table => '{table}', options => map('min-input-files', '{FEWEST_FILES}'))"
        )
    if old and not dry_run:
        session.sql(f"call system.expire_snapshots(table => '{table}', older_than => timestamp '{forget_before}')")
    orphans = session.sql(
        f"call system.remove_orphan_files(table => '{table}', dry_run => {str(dry_run).lower()}, "
        f"older_than => timestamp '{moment(now - ORPHANS_AFTER)}')"
    ).count()
    return small, old, orphans


def moment(time: datetime) -> str:
    """A time in UTC, as SQL."""
    return f"{time:%Y-%m-%d %H:%M:%S}"
