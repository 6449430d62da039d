"""The command line: `python -m ingestion`."""

import argparse
import gc
import os
import sys
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("shop", "api", "files", "stream")


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m ingestion",
        description="Load what is new from every source into the warehouse, as received.",
        epilog="Connections come from .dlt/secrets.toml or the environment (SOURCES__SHOP__CREDENTIALS, "
        "SOURCES__API__BASE_URL, SOURCES__API__TOKEN, SOURCES__FILES__BUCKET_URL, and for Kafka "
        "SOURCES__STREAM__BOOTSTRAP_SERVERS), knobs from .dlt/config.toml. "
        "The warehouse is $STOREHOUSE_DATA_DIR/warehouse.duckdb (default: data/). Ends with 0 when everything was "
        "loaded, 75 when another process holds the warehouse, 1 otherwise. A run can be repeated at any time.",
    )
    parser.add_argument(
        "--source", nargs="+", choices=SOURCES, help="only these sources (default: all that are set up)"
    )
    parser.add_argument(
        "--tables", nargs="+", metavar="TABLE", help="only these tables, by their names in the warehouse"
    )
    parser.add_argument(
        "--mode",
        choices=("cursor", "cdc"),
        help="how the shop is read: by updated_at, or by the log of its database (default: sources.shop.mode)",
    )
    parser.add_argument("--full-refresh", action="store_true", help="read everything again and replace the tables")
    parser.add_argument(
        "--from",
        dest="first_day",
        type=date.fromisoformat,
        metavar="DAY",
        help="read what changed from this day to --to again (files: of these days), and leave the rest as it is",
    )
    parser.add_argument(
        "--to", dest="last_day", type=date.fromisoformat, metavar="DAY", help="the last day of --from (default: today)"
    )
    parser.add_argument("--dry-run", action="store_true", help="read, and say what would be loaded, but load nothing")
    parser.add_argument(
        "--allow-shrink", action="store_true", help="replace a table although the source has less than half of its rows"
    )
    parser.add_argument("--verbose", action="store_true", help="show the traceback of an error, and dlt's log")
    options = parser.parse_args(arguments)
    if options.last_day and not options.first_day:
        parser.error("--to needs --from")
    if options.first_day and options.full_refresh:
        parser.error("--from reads a part again, --full-refresh everything: choose one")
    options.named = options.source is not None
    options.source = options.source or SOURCES
    return options


def data_folder() -> Path:
    """The folder of all runtime files, relative to the repository."""
    return (ROOT / os.environ.get("STOREHOUSE_DATA_DIR", "data")).resolve()


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    options = parse(arguments)
    data_dir = data_folder()
    # dlt reads these when it is imported: its settings live in the repository, whatever the working directory, and
    # nothing of it is written elsewhere (as root it would use /var/dlt).
    os.environ.setdefault("DLT_PROJECT_DIR", str(ROOT))
    os.environ.setdefault("DLT_DATA_DIR", str(data_dir / "dlt"))
    if options.verbose:
        os.environ.setdefault("RUNTIME__LOG_LEVEL", "WARNING")

    # Starting makes objects by the hundred thousand and next to no garbage: to look for it after every few hundred is
    # a tenth of a run without news, and another one to look through all that was imported.
    gc.set_threshold(300_000)
    from ingestion.run import run

    gc.freeze()
    try:
        return run(data_dir, options)
    except KeyboardInterrupt:
        print("Interrupted. Nothing is lost: run the same command again.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    exit_code = main()
    # At its end Python looks through everything once more.
    gc.freeze()
    sys.exit(exit_code)
