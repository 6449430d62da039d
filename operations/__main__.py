"""The command line: `python -m operations <command>`. Each command imports what it needs when it runs."""

import argparse
import os
import sys

import operations
from ingestion.errors import KindError
from operations.settings import DATA_DIR, ROOT


def run_locked(options: argparse.Namespace) -> int:
    """Run a command as the warehouse's one writer."""
    from operations.process import run_locked

    command = without_dashes(options.command)
    if not command:
        raise KindError("There is no command to run: python -m operations run-locked --for build -- dbt build", 2)
    return run_locked(options.purpose, command, options.wait)


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
    from operations.publish import PUBLISHED, publish
    from operations.settings import shown

    state = publish()
    print(f"✓ Published {len(state.rows)} marts, {sum(state.rows.values()):,} rows: {shown(PUBLISHED)}")
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
        print(f"{star} {state.state}  {sum(state.rows.values()):>12,} rows  {state.file.stat().st_size:>14,} bytes")
    return 0


def without_dashes(arguments: list[str]) -> list[str]:
    """What follows `--`."""
    return arguments[1:] if arguments[:1] == ["--"] else arguments


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m operations", description=operations.__doc__)
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
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = parse(arguments)
    # dlt reads these when it is imported: nothing of it is written outside the data folder.
    os.environ.setdefault("DLT_PROJECT_DIR", str(ROOT))
    os.environ.setdefault("DLT_DATA_DIR", str(DATA_DIR / "dlt"))
    try:
        return options.run(options)
    except KindError as error:
        print(f"✗ {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
