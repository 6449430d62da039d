"""The command line: `python -m warehouses`."""

import argparse
import os
import shlex
import sys

from ingestion.errors import KindError
from warehouses import jars, parity, postgres, spark
from warehouses.care import care
from warehouses.carry import carry

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
    start.add_argument(
        "--small",
        action="store_true",
        help="Spark: for less than a few million rows, no compiled queries, no merges",
    )
    for command, text in (
        ("stop", "stop a warehouse and keep its data"),
        ("env", "print the connection as lines for a shell"),
    ):
        commands.add_parser(command, help=text).add_argument("warehouse", choices=WAREHOUSES)
    within = commands.add_parser("with", help="run a command that uses a warehouse: with postgres -- dbt build")
    within.add_argument("warehouse", choices=WAREHOUSES)
    within.add_argument("line", nargs="+", metavar="COMMAND")
    commands.add_parser(
        "carry", help="move a shop from DuckDB to a warehouse that holds nothing yet, with its history"
    ).add_argument("warehouse", choices=WAREHOUSES)
    lake = commands.add_parser("care", help="look after Spark's tables: compact, forget old states, remove lost files")
    lake.add_argument("tables", nargs="*", metavar="TABLE", help="only these, like marts.fct_orders (default: all)")
    lake.add_argument("--keep-days", type=int, default=7, help="days that time travel can go back (default: 7)")
    lake.add_argument("--dry-run", action="store_true", help="only say what would be done")
    commands.add_parser("jars", help="fetch Spark's libraries, which `start spark` does by itself")
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
                spark.start(options.workers, options.cores, options.memory, options.small)
            case "start":
                postgres.start()
            case "stop":
                WAREHOUSES[options.warehouse].stop()
            case "env":
                for name, value in WAREHOUSES[options.warehouse].environment().items():
                    print(f"export {name}={shlex.quote(value)}")
            case "with":
                os.environ.update(WAREHOUSES[options.warehouse].environment())
                os.execvp(options.line[0], options.line)
            case "carry":
                carry(options.warehouse)
            case "care":
                care(options.tables, options.keep_days, options.dry_run)
            case "jars":
                print(f"Spark's libraries are in {jars.ready()[0].parent}.")
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
