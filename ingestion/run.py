"""One run from lock to report: every source in turn, the failures of one not stopping the others."""

import argparse
import sys
import traceback
from datetime import date
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import dlt
from dlt.extract import DltSource
from rich.console import Console
from rich.table import Table

from ingestion.errors import KindError, explain, missing, variables
from ingestion.pipeline import Result, forget_unfinished, open_pipeline, run_source, sum_up
from ingestion.progress import Progress
from ingestion.sources import Days
from ingestion.warehouse import Warehouse, deliver, open_warehouse
from operations.history import record_in
from operations.lock import only_writer
from operations.privacy import erase, keep_salt

# What a shop may lack. Its own tables are none of it: without them there is nothing to build on.
OPTIONAL = ("api", "files")


def run(data_dir: Path, options: argparse.Namespace) -> int:
    """Load the sources asked for and report; return the exit code."""
    console = Console(highlight=False)
    exit_codes: list[int] = []
    results: list[Result] = []

    def fail(error: BaseException, source: str | None) -> None:
        if options.verbose:
            traceback.print_exception(error)
        told = explain(error, source, data_dir)
        print(f"Error: {told}", file=sys.stderr)
        exit_codes.append(told.exit_code)

    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        with only_writer("ingestion"):
            with open_warehouse(data_dir) as warehouse:
                if not options.dry_run:
                    keep_salt(warehouse)
                for name in options.source:
                    try:
                        result = load(name, warehouse, Progress(name, console), options)
                        if result:
                            results.append(result)
                    except Exception as error:
                        fail(error, name)
                if not options.dry_run:
                    erase(warehouse)
                if not exit_codes:
                    check_names(options.tables, results)
                record_in(warehouse)
            if not options.dry_run:
                deliver()
    except Exception as error:
        fail(error, None)
    if results:
        console.print(report(results, "Would be loaded (dry run)" if options.dry_run else "Loaded"))
    return max(exit_codes, default=0)


def load(name: str, warehouse: Warehouse, progress: Progress, options: argparse.Namespace) -> Result | None:
    """Load one source; none when no table of it was asked for."""
    # A run takes the time to import only what it reads.
    module = import_module(f"ingestion.sources.{name}")
    if name == "stream" and module.is_idle(warehouse):
        return None
    pipeline = open_pipeline(name, warehouse, progress)
    forget_unfinished(pipeline)
    pipeline.sync_destination()
    if name == "shop" and (options.mode or dlt.config["sources.shop.mode"]) == "cdc":
        return load_changes(pipeline, warehouse, progress, options)
    days = Days(options.first_day, options.last_day or date.today()) if options.first_day else None
    # Two go on where the warehouse ends; the shop is read by the warehouse itself where that is cheaper.
    fills = name == "shop" and not options.dry_run
    needs = {"warehouse": warehouse} if fills or name in ("files", "stream") else {}
    if name == "api":
        needs = {"say": progress.say}
    if name in OPTIONAL and options.tables and not set(options.tables) & set(module.tables()):
        return None
    if name in OPTIONAL and is_left_out(name, module, warehouse, progress, options):
        source = without_rows(name, module, warehouse, needs)
        return run_source(pipeline, source, warehouse, options.dry_run) if source.resources else None
    source = getattr(module, name)(only=options.tables, full_refresh=options.full_refresh, days=days, **needs)
    if not source.resources:
        return None
    result = run_source(pipeline, source, warehouse, options.dry_run, options.allow_shrink)
    if name == "stream" and not options.dry_run:
        module.settle(warehouse, progress.console.print)
    return result


def is_left_out(
    name: str, module: ModuleType, warehouse: Warehouse, progress: Progress, options: argparse.Namespace
) -> bool:
    """Whether no setting connects a source, which is then said; an error where it was asked for or loaded before."""
    connection = module.connection()
    unset = [setting for setting, value in connection.items() if not value]
    if not unset:
        return False
    if len(unset) < len(connection) or options.named or options.tables:
        raise KindError(missing(name, unset))
    if any(warehouse.rows_held(f"raw_{name}.{table}") for table in module.tables()):
        others = " ".join(source for source in options.source if source != name)
        raise KindError(
            f"{missing(name, unset)} The warehouse holds rows of {name}, so it is not left out by itself; to leave it "
            f"out all the same, name the others: .venv/bin/python -m ingestion --source {others}."
        )
    settings = " and ".join(f"sources.{name}.{setting}" for setting in unset)
    progress.say(f"{name}: left out, {settings} {'are' if len(unset) > 1 else 'is'} not set ({variables(name, unset)})")
    return True


def without_rows(name: str, module: ModuleType, warehouse: Warehouse, needs: dict[str, Any]) -> DltSource:
    """The tables of a source that is left out, as far as the warehouse has them not yet: the models read them."""
    absent = [table for table in module.tables() if not warehouse.columns(f"raw_{name}.{table}")]
    unset = dict.fromkeys(module.connection(), "")
    return getattr(module, name)(only=absent, **needs, **unset)


def load_changes(
    pipeline: dlt.Pipeline, warehouse: Warehouse, progress: Progress, options: argparse.Namespace
) -> Result | None:
    """Load the shop by change data capture, which takes one load for each batch of changes."""
    if options.first_day or options.dry_run:
        raise KindError("Change data capture knows neither --from nor --dry-run: add --mode cursor.")
    if options.tables:
        if not set(options.tables) & set(dlt.config["sources.shop.tables"]):
            return None
        raise KindError("Change data capture loads all tables of the shop together: leave --tables away.")
    from ingestion.sources.shop_cdc import replicate

    results: list[Result] = []
    replicate(
        load=lambda source, allow_shrink: results.append(
            run_source(pipeline, source, warehouse, allow_shrink=allow_shrink or options.allow_shrink)
        ),
        say=progress.console.print,
        warehouse=warehouse,
        dataset=pipeline.dataset_name,
        full_refresh=options.full_refresh,
    )
    return sum_up(results)


def check_names(tables: list[str] | None, results: list[Result]) -> None:
    """Complain about tables that no source has."""
    unknown = set(tables or ()) - {table.table for result in results for table in result.tables}
    if unknown:
        raise KindError(
            f"No chosen source has a table {', '.join(sorted(unknown))}; see docs/ingestion.md for their names."
        )


def report(results: list[Result], title: str) -> Table:
    """What was loaded, as a table."""
    table = Table(title=title, title_justify="left")
    table.add_column("source", no_wrap=True)
    table.add_column("table", no_wrap=True)
    for heading in ("read", "changed", "in warehouse", "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for result in results:
        for number, row in enumerate(result.tables):
            table.add_row(
                result.source if number == 0 else "",
                row.table,
                f"{row.rows_read:,}",
                f"{row.rows_loaded:,}",
                f"{row.rows_in_warehouse:,}",
                f"{result.seconds:.1f}" if number == 0 else "",
            )
        table.add_section()
    return table
