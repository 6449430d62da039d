"""The command line: `python -m operations <command>`. Each command imports what it needs when it runs."""

import argparse
import sys

import operations
from ingestion.errors import KindError


def run_locked(options: argparse.Namespace) -> int:
    """Run a command as the warehouse's one writer."""
    from operations.process import run_locked

    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        raise KindError("There is no command to run: python -m operations run-locked --for build -- dbt build", 2)
    return run_locked(options.purpose, command, options.wait)


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
    add(publish)
    add(rollback).add_argument("--to", metavar="STATE", help="a certain state, as `states` lists them")
    add(states)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    options = parse(arguments)
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
