"""The command line: `python -m operations <command>`."""

import argparse
import sys

from ingestion.errors import KindError
from operations.lock import WAIT_SECONDS


def add_run_locked(commands: argparse._SubParsersAction) -> None:
    """`run-locked`: any command as the warehouse's one writer."""
    parser = commands.add_parser("run-locked", help="run a command as the warehouse's one writer")
    parser.add_argument("--for", dest="purpose", required=True, help="what for: those who wait will read it")
    parser.add_argument("--wait", type=float, default=WAIT_SECONDS, metavar="SECONDS", help="leave with 75 after this")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- and the command")

    def run(options: argparse.Namespace) -> int:
        from operations.process import run_locked

        command = options.command[1:] if options.command[:1] == ["--"] else options.command
        if not command:
            parser.error("there is no command after --")
        return run_locked(options.purpose, command, options.wait)

    parser.set_defaults(run=run)


def main(arguments: list[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m operations", description=sys.modules["operations"].__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    add_run_locked(commands)
    options = parser.parse_args(arguments)
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
