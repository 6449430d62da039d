"""The command line: `python -m warehouses`."""

import argparse
import shlex
import sys

from ingestion.errors import KindError
from warehouses import parity, postgres, spark

WAREHOUSES = {"postgres": postgres, "spark": spark}


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m warehouses",
        description="Start, stop and compare the servers that can take DuckDB's place.",
        epilog="Everything lives in $STOREHOUSE_DATA_DIR/warehouses. STOREHOUSE_POSTGRES_URL (an administrator's URL) "
        "names an existing Postgres server to use instead of the embedded one.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="start a warehouse; harmless when it runs")
    start.add_argument("warehouse", choices=WAREHOUSES)
    start.add_argument("--workers", type=int, default=2, help="Spark: worker processes (default: 2)")
    start.add_argument("--cores", type=int, default=1, help="Spark: cores of each worker (default: 1)")
    start.add_argument("--memory", default="1g", help="Spark: memory of each worker and of the driver (default: 1g)")
    for command, text in (
        ("stop", "stop a warehouse and keep its data"),
        ("env", "print the connection as lines for a shell"),
    ):
        commands.add_parser(command, help=text).add_argument("warehouse", choices=WAREHOUSES)
    commands.add_parser("status", help="what runs where")
    parity.add_arguments(
        commands.add_parser("parity", help="build one shop on two engines and compare every mart value by value")
    )
    return parser.parse_args(arguments)


def main() -> int:
    """Run the command and return its exit code."""
    options = parse()
    try:
        match options.command:
            case "start" if options.warehouse == "spark":
                spark.start(options.workers, options.cores, options.memory)
            case "start":
                postgres.start()
            case "stop":
                WAREHOUSES[options.warehouse].stop()
            case "env":
                for name, value in WAREHOUSES[options.warehouse].environment().items():
                    print(f"export {name}={shlex.quote(value)}")
            case "status":
                print(postgres.status(), spark.status(), sep="\n")
            case "parity":
                return parity.run(options)
    except KindError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
