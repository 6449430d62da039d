"""What a day costs as history grows: `make bench-build SIZE=small`.

A demo shop of the given size is loaded once; 4x and 16x are the same raw rows again under other keys, each copy a
shop's lifetime earlier. For each: a full refresh, and the increment of a day with new orders, events and scattered
changes worth 0.5% of the 1x shop. The statements that dbt ran for the increment are then run once more without dbt, by
DuckDB alone, on a copy of the warehouse as it was before: the difference is dbt. Costs are CPU seconds, which other
programs on the machine hardly change. Everything lives in `<data>/bench_build`.
"""

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
HOME = (ROOT / os.environ.get("STOREHOUSE_DATA_DIR", "data")).resolve() / "bench_build"
MODELS = ["config.materialized:incremental", "+config.materialized:incremental"]
FACTORS = (1, 4, 16)
OFFSET = 10_000_000
CONSOLE = Console(highlight=False, width=120)

# A copy of the shop, {n} lifetimes of {days} days earlier; keys of customers, products and stores stay.
EARLIER = "- interval '{shift}' day"
TIMES = "ordered_at, created_at, updated_at, cancelled_at, shipped_at, delivered_at, deleted_at"
SHIFTED = ", ".join(f"{column} {EARLIER} as {column}" for column in TIMES.split(", "))
RECORD = "regexp_replace(record, '(\"(?:event_id|session_id|anonymous_id)\" : \")', '\\1{n}-', 'g')"


def earlier_text(column: str) -> str:
    """A time of the API, which is text, some lifetimes earlier."""
    return f"strftime(try_cast({column} as timestamptz) {EARLIER}, '%xT%X.%fZ') as {column}"


COPIES = (
    f"insert into raw_shop.orders select * replace (order_id + {{offset}} as order_id, order_number || '-{{n}}' as "
    f"order_number, '{{n}}-' || session_id as session_id, {SHIFTED}) from raw_shop.orders where order_id < {OFFSET}",
    "insert into raw_shop.order_items select * replace (order_item_id + {offset} as order_item_id, order_id + {offset} "
    f"as order_id) from raw_shop.order_items where order_item_id < {OFFSET}",
    "insert into raw_shop.order_item_keys select * replace (order_item_id + {offset} as order_item_id) "
    f"from raw_shop.order_item_keys where order_item_id < {OFFSET}",
    "insert into raw_api.payments select * replace ('{n}-' || payment_id as payment_id, "
    f"(order_id::bigint + {{offset}})::text as order_id, {earlier_text('created_at')}, {earlier_text('updated_at')}) "
    "from raw_api.payments where not regexp_matches(payment_id, '^[0-9]+-') and try_cast(created_at as timestamptz) "
    "is not null and try_cast(order_id as bigint) is not null",
    "insert into raw_api.sessions select * replace ('{n}-' || session_id as session_id, '{n}-' || anonymous_id as "
    f"anonymous_id, {earlier_text('started_at')}, {earlier_text('ended_at')}, {earlier_text('updated_at')}) "
    "from raw_api.sessions where not regexp_matches(session_id, '^[0-9]+-')",
    f"insert into raw_files.clickstream select * replace ('{{n}}-' || file_path as file_path, {RECORD} as record) "
    "from raw_files.clickstream where not regexp_matches(file_path, '^[0-9]+-')",
)
# A day: new orders at the end with their lines and payments, changed orders all over the past, and events.
DAY = (
    "create or replace temp table day_orders as select order_id from raw_shop.orders "
    f"where order_id < {OFFSET} order by ordered_at desc limit {{orders}}",
    "insert into raw_shop.orders select * replace (order_id + 5000000 as order_id, "
    "order_number || '-d' as order_number, '{load}' as _dlt_load_id) from raw_shop.orders "
    "where order_id in (from day_orders)",
    "insert into raw_shop.order_items select * replace (order_item_id + 5000000 as order_item_id, "
    "order_id + 5000000 as order_id, '{load}' as _dlt_load_id) from raw_shop.order_items "
    "where order_id in (from day_orders)",
    "insert into raw_api.payments select * replace ('d-' || payment_id as payment_id, "
    "(order_id::bigint + 5000000)::text as order_id, '{load}' as _dlt_load_id) from raw_api.payments "
    "where try_cast(order_id as bigint) in (from day_orders)",
    "update raw_shop.orders set status = 'delivered', updated_at = updated_at + interval 1 hour, "
    "_dlt_load_id = '{load}' where order_id in "
    "(select order_id from raw_shop.orders order by hash(order_id) limit {changed})",
    "update raw_shop.order_item_keys set _dlt_load_id = '{load}'",
    "insert into raw_shop.order_item_keys select order_item_id, '{load}' from raw_shop.order_items "
    "where order_item_id between 5000000 and 10000000",
    "insert into raw_files.clickstream select * replace ('d-' || file_path as file_path, regexp_replace(record, "
    "'(\"event_id\" : \")', '\\1d-') as record, '{load}' as _dlt_load_id) from raw_files.clickstream "
    "where not regexp_matches(file_path, '^[0-9]+-') order by file_path desc limit {events}",
    "insert into raw_shop._dlt_loads values ('{load}', 'shop', 0, now(), '')",
    "insert into raw_api._dlt_loads values ('{load}', 'api', 0, now(), '')",
    "insert into raw_files._dlt_loads values ('{load}', 'files', 0, now(), '')",
)


def run(*command: str) -> None:
    """Run a command to its end; a failure ends the benchmark with what it printed."""
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"Error: {' '.join(command[:4])} ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}")


def environment() -> dict[str, str]:
    """A data folder of its own."""
    return os.environ | {
        "STOREHOUSE_DATA_DIR": str(HOME),
        "DBT_PROFILES_DIR": str(ROOT / "profiles"),
        "DBT_TARGET_PATH": str(HOME / "target"),
        "DBT_LOG_PATH": str(HOME / "logs"),
    }


MEASURED = """
import os, pathlib, resource, sys
from dbt.cli.main import dbtRunner
success = dbtRunner().invoke(sys.argv[1:]).success
used = resource.getrusage(resource.RUSAGE_SELF)
told = f"{used.ru_utime + used.ru_stime} {used.ru_maxrss / 1024}"
pathlib.Path(os.environ["STOREHOUSE_DATA_DIR"], "used").write_text(told)
sys.exit(not success)
"""


def build(*arguments: str) -> tuple[float, float]:
    """Run dbt on the incremental models and what they read; return its CPU seconds and its peak of memory in MB."""
    run(sys.executable, "-c", MEASURED, "build", "--exclude-resource-type", "test", "unit_test", *arguments)
    seconds, megabytes = (HOME / "used").read_text().split()
    return float(seconds), float(megabytes)


def prepare(size: str) -> Path:
    """A warehouse with the raw data of a demo shop of this size."""
    prepared = HOME / f"{size}.duckdb"
    if not prepared.exists():
        CONSOLE.print(f"▸ A {size} demo shop, loaded once")
        python = sys.executable
        run(python, "-m", "demo_shop", "start", "--size", size, "--write-secrets")
        run(python, "-m", "ingestion")
        run(python, "-m", "demo_shop", "stop")
        shutil.move(HOME / "warehouse.duckdb", prepared)
    return prepared


def multiply(warehouse: Path, factor: int) -> tuple[int, int]:
    """Give the shop a history of several lifetimes; return its order lines, and those of one lifetime."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        [(days, lines)] = connection.execute(
            "select date_diff('day', min(ordered_at), max(ordered_at)) + 1, "
            "(select count(*) from raw_shop.order_items) from raw_shop.orders "
            "where ordered_at between timestamptz '2000-01-01' and timestamptz '2100-01-01'"
        ).fetchall()
        for number in range(1, factor):
            for statement in COPIES:
                # Lifetimes of a small shop follow each other; of a long one they overlap, to stay within the calendar.
                values = {"n": number, "offset": OFFSET * number, "shift": number * min(days, 400)}
                connection.execute(statement.format(**values))
        return connection.execute("select count(*) from raw_shop.order_items").fetchall()[0][0], lines


def add_a_day(warehouse: Path, lines: int) -> None:
    """Land what a day brings: 0.5% of the lines of one lifetime, and as many events."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        orders = max(int(lines * 0.005 / 2.3), 5)
        for statement in DAY:
            connection.execute(
                statement.format(orders=orders, changed=max(orders // 5, 2), events=orders * 10, load="9999999999.5")
            )


def replay(warehouse: Path, log: Path) -> float:
    """Run the statements of a dbt log once more, by DuckDB alone; return the seconds."""
    statements = []
    for line in log.read_text().splitlines():
        event = json.loads(line)
        if event["info"]["name"] == "SQLQuery":
            statements.append(event["data"]["sql"])
    # The file is named as dbt knows the database.
    place = warehouse.parent / "replayed" / "warehouse.duckdb"
    place.parent.mkdir(exist_ok=True)
    shutil.copy(warehouse, place)
    with duckdb.connect(str(place)) as connection:
        connection.execute("set TimeZone = 'UTC'; set threads = 2")
        started = time.process_time()
        for statement in statements:
            if statement.strip().upper() not in ("BEGIN", "COMMIT", "ROLLBACK"):
                connection.execute(statement).fetchall()
        return time.process_time() - started


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="small", help="of the demo shop: tiny, small or large")
    options = parser.parse_args()
    HOME.mkdir(parents=True, exist_ok=True)
    prepared = prepare(options.size)
    warehouse, log = HOME / "warehouse.duckdb", HOME / "logs" / "dbt.log"
    table = Table(title=f"{options.size} demo shop on {os.cpu_count()} cores, {platform.machine()}: CPU seconds")
    headings = (
        "history",
        "order lines",
        "full refresh",
        "peak MB",
        "increment",
        "nothing new",
        "its SQL by hand",
        "ratio",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    first = None
    for factor in FACTORS:
        shutil.copy(prepared, warehouse)
        lines, lines_of_one = multiply(warehouse, factor)
        CONSOLE.print(f"▸ {factor}x: {lines:,} order lines")
        select = ["--select", *MODELS]
        full, peak = build(*select)
        nothing, _ = build(*select)
        add_a_day(warehouse, lines_of_one)
        before = HOME / "before.duckdb"
        shutil.copy(warehouse, before)
        log.unlink(missing_ok=True)
        increment, _ = build("--log-format-file", "json", *select)
        by_hand = replay(before, log)
        first = first or increment
        CONSOLE.print(
            f"  full refresh {full:.1f}, increment {increment:.1f}, by hand {by_hand:.1f}; peak {peak:,.0f} MB"
        )
        table.add_row(
            f"{factor}x",
            f"{lines:,}",
            f"{full:.1f}",
            f"{peak:,.0f}",
            f"{increment:.1f} ({increment / first:.2f}x)",
            f"{nothing:.1f}",
            f"{by_hand:.1f}",
            f"{increment / by_hand:.1f}",
        )
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
