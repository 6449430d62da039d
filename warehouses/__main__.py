"""The command line: `python -m warehouses`."""

import argparse
import shlex
import sys

from ingestion.errors import KindError


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    from warehouses import parity

    parser = argparse.ArgumentParser(
        prog="python -m warehouses",
        description="Start, stop and look after the servers that can take DuckDB's place.",
        epilog="Everything lives in $STOREHOUSE_DATA_DIR/warehouses. STOREHOUSE_POSTGRES_URL (an administrator's URL) "
        "names an existing Postgres server to use instead of the embedded one.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    start = commands.add_parser("start", help="start a warehouse; harmless when it runs")
    start.add_argument("warehouse", choices=["postgres", "spark"])
    start.add_argument("--workers", type=int, default=2, help="Spark: worker processes (default: 2)")
    start.add_argument("--cores", type=int, default=1, help="Spark: cores of each worker (default: 1)")
    start.add_argument("--memory", default="1g", help="Spark: memory of each worker and of the driver (default: 1g)")
    start.add_argument("--write-env", action="store_true", help="let dbt find it: write the connection into .env")

    for command, text in (
        ("stop", "stop a warehouse and keep its data"),
        ("env", "print the connection as lines for a shell"),
    ):
        commands.add_parser(command, help=text).add_argument("warehouse", choices=["postgres", "spark"])
    commands.add_parser("status", help="what runs where")
    parity.add_arguments(
        commands.add_parser("parity", help="build one shop on several engines and compare every mart value by value")
    )
    return parser.parse_args(arguments)


def main() -> int:
    """Run the command and return its exit code."""
    options = parse()
    from warehouses import parity, postgres, spark

    warehouse = {"postgres": postgres, "spark": spark}.get(getattr(options, "warehouse", ""))
    try:
        if options.command == "status":
            print(postgres.status(), spark.status(), sep="\n")
        elif options.command == "parity":
            return parity.run(options)
        elif options.command == "start" and warehouse is spark:
            spark.start(options.workers, options.cores, options.memory)
        elif options.command == "start":
            postgres.start()
        elif options.command == "stop":
            warehouse.stop()
        elif options.command == "env":
            for name, value in warehouse.environment().items():
                print(f"export {name}={shlex.quote(value)}")
        if options.command == "start" and options.write_env:
            write_env(warehouse.environment())
    except KindError as error:
        print(f"Error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def write_env(values: dict[str, str]) -> None:
    """Put the connection into the repository's `.env`, which dbt reads; other lines stay."""
    from warehouses.settings import ROOT, write_private

    path = ROOT / ".env"
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if line.split("=")[0] not in values]
    lines = kept + [f"{name}={value}" for name, value in values.items()]
    write_private(path, "\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main())
