"""The command line: `python -m operations <command>`. Each command imports what it needs when it runs."""

import argparse
import os
import sys
from pathlib import Path

import operations
from ingestion.errors import KindError, is_disk_full
from operations.settings import BACKUPS, DATA_DIR, EXPORTS, ROOT, is_file


def run_locked(options: argparse.Namespace) -> int:
    """Run a command as the warehouse's one writer."""
    from operations.process import run_locked

    command = without_dashes(options.command)
    if not command:
        raise KindError("There is no command to run: python -m operations run-locked --for build -- dbt build", 2)
    code = run_locked(options.purpose, command, options.wait)
    if code:
        tell_failure(options.purpose, f"It ended with exit code {code}.")
    return code


def build(options: argparse.Namespace) -> int:
    """Build and test with dbt, and keep what came of it in the history."""
    from operations.build import build

    return build(without_dashes(options.arguments))


def record(_: argparse.Namespace) -> int:
    """Load what runs wrote down about themselves into the warehouse."""
    from operations.history import record

    print(f"✓ Recorded {record()} notes.")
    return 0


def publish(_: argparse.Namespace) -> int:
    """Show the marts of the last build to readers, when all of its tests passed."""
    from operations.alerts import announce
    from operations.publish import PUBLISHED, publish
    from operations.settings import shown

    state = publish()
    announce()
    where = shown(PUBLISHED) if is_file() else "schema published"
    print(f"✓ Published {len(state.rows)} marts, {sum(state.rows.values()):,} rows: {where}")
    return 0


def rollback(options: argparse.Namespace) -> int:
    """Show readers the state before the one they see, or the one given."""
    from operations.publish import rollback

    state = rollback(options.to)
    print(f"✓ Readers see state {state.state} again.")
    return 0


def states(_: argparse.Namespace) -> int:
    """List the published states that are kept; a star marks the one that readers see."""
    from operations.publish import current, states

    seen = current()
    for state in states():
        star = "*" if state == seen else " "
        size = f"{state.file.stat().st_size:>14,} bytes" if is_file() else ""
        print(f"{star} {state.state}  {sum(state.rows.values()):>12,} rows  {size}".rstrip())
    return 0


def export(options: argparse.Namespace) -> int:
    """Write the published marts as Parquet and CSV to a folder or an object storage."""
    from operations.export import export

    print(f"✓ Exported to {export(options.to, options.by)}")
    return 0


def backup(options: argparse.Namespace) -> int:
    """Copy the warehouse together with the state of its loads."""
    from operations.backup import backup
    from operations.settings import shown

    print(f"✓ Backed up to {shown(backup(options.to))}")
    return 0


def restore(options: argparse.Namespace) -> int:
    """Put a backup in the place of the warehouse; what was there is moved aside."""
    from operations.backup import REPLACED, restore
    from operations.settings import shown

    source = restore(options.backup, options.source)
    print(f"✓ Restored {shown(source)}; what was there is in {shown(REPLACED)}. Next: make run")
    return 0


def forget(options: argparse.Namespace) -> int:
    """Erase one person everywhere, for good, keep the money, and publish."""
    from operations.privacy import forget

    for table, rows in forget(options.customer).items():
        print(f"✓ {table}: {rows} rows without personal data now")
    print("✓ Forgotten. Older states, exports and backups here are deleted; copies elsewhere are yours to delete.")
    return 0


def alert(_: argparse.Namespace) -> int:
    """Tell what is wrong and was not told yet, and what is good again. Failed steps and publishes do it themselves."""
    from operations.alerts import announce

    return 0 if announce() else 1


def prune(_: argparse.Namespace) -> int:
    """Delete what is older than .dlt/config.toml wants to keep: exports, backups, logs, history, raw click events."""
    from operations.retention import prune

    for what, count in prune().items():
        print(f"✓ {what}: {count:,} deleted")
    return 0


def without_dashes(arguments: list[str]) -> list[str]:
    """What follows `--`."""
    return arguments[1:] if arguments[:1] == ["--"] else arguments


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m operations", description=operations.__doc__)
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(function, name: str | None = None) -> argparse.ArgumentParser:
        command = commands.add_parser(name or function.__name__, help=function.__doc__, description=function.__doc__)
        command.set_defaults(run=function)
        return command

    locked = add(run_locked, "run-locked")
    locked.add_argument("--for", dest="purpose", required=True, help="what for: those who wait read it")
    locked.add_argument(
        "--wait", type=float, metavar="SECONDS", help="leave with exit code 75 after this (default: 300)"
    )
    locked.add_argument("command", nargs=argparse.REMAINDER, help="-- and the command")
    add(build).add_argument("arguments", nargs=argparse.REMAINDER, help="-- and arguments of `dbt build`")
    add(record)
    add(publish)
    add(rollback).add_argument("--to", metavar="STATE", help="a certain state, as `states` lists them")
    add(states)
    exporting = add(export)
    exporting.add_argument(
        "--to", default=EXPORTS, metavar="PLACE", help="a folder, or a URL such as s3://bucket/marts"
    )
    exporting.add_argument("--by", choices=("day", "month", "year"), default="month", help="period of a Parquet folder")
    add(backup).add_argument("--to", type=Path, default=BACKUPS, metavar="FOLDER", help="where backups are kept")
    restoring = add(restore)
    restoring.add_argument("backup", nargs="?", help="its name (default: the newest)")
    restoring.add_argument(
        "--from", dest="source", type=Path, default=BACKUPS, metavar="FOLDER", help="where backups are kept"
    )
    add(forget).add_argument("customer", help="the number of the customer, or an e-mail address")
    add(alert)
    add(prune)
    return parser.parse_args(arguments)


def explain(error: Exception) -> KindError:
    """Any error as one line for a person."""
    if isinstance(error, KindError):
        return error
    if is_disk_full(error):
        return KindError(f"The disk of {DATA_DIR} is full. Make room and run this again; nothing half done is in use.")
    first_line = (str(error) or type(error).__name__).splitlines()[0]
    return KindError(f"{first_line} ({type(error).__name__}; python -m operations --verbose shows where)")


def tell_failure(step: str, reason: str) -> None:
    """Alert people to a step that failed."""
    from operations.alerts import Alert, announce

    announce(Alert.of_step(step, reason))


# Commands whose failure somebody must hear of
TOLD = (run_locked, build, publish, export, backup, prune)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = parse(arguments)
    # dlt reads these when it is imported: nothing of it is written outside the data folder.
    os.environ.setdefault("DLT_PROJECT_DIR", str(ROOT))
    os.environ.setdefault("DLT_DATA_DIR", str(DATA_DIR / "dlt"))
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130
    except Exception as error:
        if options.verbose and not isinstance(error, KindError):
            raise
        told = explain(error)
        print(f"✗ {told}", file=sys.stderr)
        if options.run in TOLD:
            tell_failure(getattr(options, "purpose", options.run.__name__), str(told))
        return told.exit_code


if __name__ == "__main__":
    sys.exit(main())
