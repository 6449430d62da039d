"""What a day costs as history grows: `make bench-build SIZE=small`, or `SIZE=large HISTORY=4` for one step alone.

A demo shop of the given size is loaded once. A longer history is the same raw rows again under other keys, each copy a
shop's lifetime earlier; that of the large shop begins with its last eighth, so that 16x are two lifetimes: 10 million
order lines. For each: a full refresh, and the increment of a day with new orders, events and changed orders, worth
0.5% of the lines at 1x. The changed orders lie where they do in the demo shop, all but one in 150 within a month; those
of a second day lie anywhere in history, the worst that can be. The statements that dbt ran for the first day are then
run once more without dbt, by DuckDB alone, on a copy of the warehouse as it was before: the difference is dbt. Costs
are CPU seconds, which other programs on the machine hardly change. Everything lives in `<data>/bench_build`, finished
steps too.
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
import yaml
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
HOME = (ROOT / os.environ.get("STOREHOUSE_DATA_DIR", "data")).resolve() / "bench_build"
MODELS = ["config.materialized:incremental", "+config.materialized:incremental"]
FACTORS = (1, 4, 16)
# How many lifetimes of the shop are 1x
LIFETIMES = {"large": 1 / 8}
# The same day costs a tenth more or less from one run to the next: the mean is told.
RUNS_OF_A_DAY = 3
# Beyond every key of the shop; the new days lie half-way.
OFFSET = 100_000_000
DAY_OFFSET, DAY_KEYS = OFFSET // 2, OFFSET // 4
OF_THE_SHOP = f"order_id < {DAY_OFFSET}"
CONSOLE = Console(highlight=False, width=120)

# A copy of the shop, {n} lifetimes of {days} days earlier; keys of customers, products and stores stay.
EARLIER = "- interval '{shift}' day"
TIMES = "ordered_at, created_at, updated_at, cancelled_at, shipped_at, delivered_at, deleted_at"
SHIFTED = ", ".join(f"{column} {EARLIER} as {column}" for column in TIMES.split(", "))


def earlier_text(column: str) -> str:
    """A time that is text, some lifetimes earlier."""
    return f"strftime(try_cast({column} as timestamptz) {EARLIER}, '%xT%X.%fZ')"


def earlier_record(keys: tuple[str, ...], times: tuple[str, ...]) -> str:
    """A line of a file of events under other keys, some lifetimes earlier."""
    fields = [f"'{key}', '{{n}}-' || (record ->> '{key}')" for key in keys]
    fields += [f"""'{time}', {earlier_text(f"(record ->> '{time}')")}""" for time in times]
    return f"json_merge_patch(record, json_object({', '.join(fields)}))"


CLICK = earlier_record(("event_id", "session_id", "anonymous_id"), ("occurred_at", "received_at"))
STOCK = earlier_record(("event_id",), ("occurred_at",))
# What a shop that is younger by some lifetimes does not have.
OLDER = (
    "create or replace temp table old_orders as select order_id from raw_shop.orders where ordered_at < '{first}'",
    "delete from raw_shop.order_item_keys where order_item_id in "
    "(select order_item_id from raw_shop.order_items where order_id in (from old_orders))",
    "delete from raw_shop.order_items where order_id in (from old_orders)",
    "delete from raw_shop.orders where order_id in (from old_orders)",
    "delete from raw_api.payments where try_cast(order_id as bigint) in (from old_orders)",
    "delete from raw_api.refunds where try_cast(order_id as bigint) in (from old_orders)",
    "delete from raw_api.sessions where try_cast(started_at as timestamptz) < '{first}'",
    "delete from raw_files.clickstream where file_path < 'clickstream/date={first}'",
    "delete from raw_files.inventory_events where file_path < 'inventory_events/date={first}'",
)
COPIES = (
    f"insert into raw_shop.orders select * replace (order_id + {{offset}} as order_id, order_number || '-{{n}}' as "
    f"order_number, '{{n}}-' || session_id as session_id, {SHIFTED}) from raw_shop.orders where order_id < {OFFSET}",
    "insert into raw_shop.order_items select * replace (order_item_id + {offset} as order_item_id, order_id + {offset} "
    f"as order_id) from raw_shop.order_items where order_item_id < {OFFSET}",
    "insert into raw_shop.order_item_keys select * replace (order_item_id + {offset} as order_item_id) "
    f"from raw_shop.order_item_keys where order_item_id < {OFFSET}",
    "insert into raw_api.payments select * replace ('{n}-' || payment_id as payment_id, "
    f"(order_id::bigint + {{offset}})::text as order_id, {earlier_text('created_at')} as created_at, "
    f"{earlier_text('updated_at')} as updated_at) "
    "from raw_api.payments where not regexp_matches(payment_id, '^[0-9]+-') and try_cast(created_at as timestamptz) "
    "is not null and try_cast(order_id as bigint) is not null",
    "insert into raw_api.sessions select * replace ('{n}-' || session_id as session_id, '{n}-' || anonymous_id as "
    f"anonymous_id, {earlier_text('started_at')} as started_at, {earlier_text('ended_at')} as ended_at, "
    f"{earlier_text('updated_at')} as updated_at) "
    "from raw_api.sessions where not regexp_matches(session_id, '^[0-9]+-')",
    *(
        f"insert into raw_files.{dataset} select * replace ('{{n}}-' || file_path as file_path, {record} as record) "
        f"from raw_files.{dataset} where not regexp_matches(file_path, '^[0-9]+-') and json_valid(record)"
        for dataset, record in (("clickstream", CLICK), ("inventory_events", STOCK))
    ),
)
# Days after the last one, named by a letter: orders with their lines and payments, events and movements of stock; and
# changed orders.
DAY = (
    "create or replace temp table day_orders as select order_id from raw_shop.orders "
    f"where {OF_THE_SHOP} order by ordered_at desc limit {{orders}}",
    "insert into raw_shop.orders select * replace (order_id + {offset} as order_id, order_number || '-{n}' as "
    f"order_number, '{{n}}-' || session_id as session_id, {SHIFTED}, '{{load}}' as _dlt_load_id) from raw_shop.orders "
    "where order_id in (from day_orders)",
    "insert into raw_shop.order_items select * replace (order_item_id + {offset} as order_item_id, "
    "order_id + {offset} as order_id, '{load}' as _dlt_load_id) from raw_shop.order_items "
    "where order_id in (from day_orders)",
    "insert into raw_api.payments select * replace ('{n}-' || payment_id as payment_id, "
    f"(order_id::bigint + {{offset}})::text as order_id, {earlier_text('created_at')} as created_at, "
    f"{earlier_text('updated_at')} as updated_at, '{{load}}' as _dlt_load_id) from raw_api.payments "
    "where try_cast(order_id as bigint) in (from day_orders)",
    "update raw_shop.orders set status = 'delivered', updated_at = updated_at + interval 1 hour, "
    "_dlt_load_id = '{load}' where order_id in ({changed_orders})",
    "update raw_shop.order_item_keys set _dlt_load_id = '{load}'",
    "insert into raw_shop.order_item_keys select order_item_id, '{load}' from raw_shop.order_items "
    f"where order_item_id between {{offset}} and {{offset}} + {DAY_KEYS} - 1",
    *(
        f"insert into raw_files.{dataset} select * replace ('{{n}}-' || file_path as file_path, {record} as record, "
        f"'{{load}}' as _dlt_load_id) from raw_files.{dataset} where not regexp_matches(file_path, '^[0-9a-z]+-') "
        f"and json_valid(record) order by file_path desc limit {{{dataset}}}"
        for dataset, record in (("clickstream", CLICK), ("inventory_events", STOCK))
    ),
    "insert into raw_shop._dlt_loads values ('{load}', 'shop', 0, now(), '')",
    "insert into raw_api._dlt_loads values ('{load}', 'api', 0, now(), '')",
    "insert into raw_files._dlt_loads values ('{load}', 'files', 0, now(), '')",
)
ANYWHERE = "select order_id from raw_shop.orders order by hash(order_id + {offset}) limit {changed}"
# As in the demo shop
RECENT = (
    f"from (select order_id from raw_shop.orders where {OF_THE_SHOP} and ordered_at > (select min(ordered_at) "
    "- interval 30 day from raw_shop.orders where order_id in (from day_orders)) order by hash(order_id) "
    f"limit {{changed}}) union from ({ANYWHERE} // 150)"
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


def build(step: str, *arguments: str) -> tuple[float, float, float]:
    """Run dbt on the incremental models and what they read: CPU seconds, the peak of memory in MB, seconds."""
    started = time.time()
    select = ["--exclude-resource-type", "test", "unit_test", "--select", *MODELS]
    run(sys.executable, "-c", MEASURED, "build", *arguments, *select)
    clock = time.time() - started
    seconds, megabytes = map(float, (HOME / "used").read_text().split())
    results = json.loads((HOME / "target" / "run_results.json").read_text())["results"]
    slowest = sorted(results, key=lambda result: -result["execution_time"])[:5]
    CONSOLE.print(
        f"  {step}: {seconds:.1f} s of CPU, {clock:.0f} s by the clock, {megabytes:,.0f} MB; slowest: "
        + ", ".join(f"{result['unique_id'].split('.')[-1]} {result['execution_time']:.1f}" for result in slowest)
    )
    return seconds, megabytes, clock


def prepare(size: str) -> Path:
    """A warehouse with the raw data of a demo shop of this size."""
    prepared = HOME / f"{size}.duckdb"
    if not prepared.exists():
        CONSOLE.print(f"▸ A {size} demo shop, loaded once")
        for place in (HOME / "warehouse.duckdb", HOME / "warehouse.duckdb.wal"):
            place.unlink(missing_ok=True)
        shutil.rmtree(HOME / "dlt", ignore_errors=True)
        python = sys.executable
        run(python, "-m", "demo_shop", "start", "--size", size, "--write-secrets")
        run(python, "-m", "ingestion")
        run(python, "-m", "demo_shop", "reset")
        shutil.move(HOME / "warehouse.duckdb", prepared)
    return prepared


def multiply(warehouse: Path, lifetimes: float) -> int:
    """Give the shop a history of so many lifetimes; return its order lines."""
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        [(days,)] = connection.execute(
            "select date_diff('day', min(ordered_at), max(ordered_at)) + 1 from raw_shop.orders "
            "where ordered_at between timestamptz '2000-01-01' and timestamptz '2100-01-01'"
        ).fetchall()
        if lifetimes < 1:
            [(first,)] = connection.execute(
                f"select quantile_disc(ordered_at, {1 - lifetimes})::date from raw_shop.orders"
            ).fetchall()
            for statement in OLDER:
                connection.execute(statement.format(first=first))
        for number in range(1, int(lifetimes)):
            for statement in COPIES:
                # Many lifetimes overlap, to stay within the calendar.
                values = {"n": number, "offset": OFFSET * number, "shift": int(number * min(days, 6000 / lifetimes))}
                connection.execute(statement.format(**values))
        return connection.execute("select count(*) from raw_shop.order_items").fetchall()[0][0]


def add_a_day(warehouse: Path, lines: float, name: str, number: int, changed_orders: str) -> None:
    """Land what a day brings: 0.5% of the lines at 1x, and as many events."""
    orders = max(int(lines * 0.005 / 2.3), 5)
    values = {"n": name, "offset": DAY_OFFSET + number * DAY_KEYS, "shift": -1 - number, "load": f"9999999999.{number}"}
    values |= {"orders": orders, "changed": max(orders // 5, 2), "clickstream": orders * 10}
    values |= {"inventory_events": orders * 3}
    values |= {"changed_orders": changed_orders.format(**values)}
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for statement in DAY:
            connection.execute(statement.format(**values))


def replay(warehouse: Path, log: Path) -> float:
    """Run the statements of a dbt log once more, by DuckDB alone with dbt's settings; return the CPU seconds."""
    events = (json.loads(line) for line in log.read_text().splitlines())
    # The log shortens the rows of seeds, and seeds have not changed.
    statements = [
        event["data"]["sql"]
        for event in events
        if event["info"]["name"] == "SQLQuery" and event["data"].get("node_info", {}).get("resource_type") != "seed"
    ]
    with duckdb.connect(str(warehouse)) as connection:
        profile = yaml.safe_load((ROOT / "profiles" / "profiles.yml").read_text())["storehouse"]["outputs"]["dev"]
        for name, value in profile["settings"].items():
            if name != "memory_limit":
                connection.execute(f"set {name} = '{value}'")
        started = time.process_time()
        for statement in statements:
            if statement.strip().upper() not in ("BEGIN", "COMMIT", "ROLLBACK"):
                connection.execute(statement).fetchall()
        return time.process_time() - started


def measure(prepared: Path, factor: int, lifetimes: float) -> dict[str, float]:
    """The costs at one length of history."""
    warehouse, log = HOME / "warehouse.duckdb", HOME / "logs" / "dbt.log"
    # The file is named as dbt knows the database.
    before = HOME / "before" / "warehouse.duckdb"
    before.parent.mkdir(exist_ok=True)
    for place in (warehouse, before):
        # What a run that was stopped had still to write
        place.with_suffix(".duckdb.wal").unlink(missing_ok=True)
    shutil.copy(prepared, warehouse)
    found = {"lines": multiply(warehouse, lifetimes)}
    CONSOLE.print(f"▸ {factor}x: {found['lines']:,} order lines")
    found["full"], found["megabytes"], _ = build("full refresh")
    found["nothing"], _, _ = build("nothing new")
    add_a_day(warehouse, found["lines"] / factor, "d", 0, RECENT)
    shutil.copy(warehouse, before)
    days = []
    for _ in range(RUNS_OF_A_DAY):
        shutil.copy(before, warehouse)
        log.unlink(missing_ok=True)
        days.append(build("increment", "--log-format-file", "json"))
    found["increment"], _, found["clock"] = (sum(costs) / RUNS_OF_A_DAY for costs in zip(*days, strict=True))
    found["by_hand"] = replay(before, log)
    CONSOLE.print(f"  its SQL by hand: {found['by_hand']:.1f} s")
    add_a_day(warehouse, found["lines"] / factor, "e", 1, ANYWHERE)
    found["anywhere"], _, _ = build("increment, changes anywhere")
    return found


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="small", help="of the demo shop: tiny, small or large")
    parser.add_argument("--history", type=int, nargs="*", default=FACTORS, help="only these lengths: 1 4 16")
    options = parser.parse_args()
    HOME.mkdir(parents=True, exist_ok=True)
    prepared = prepare(options.size)
    kept = HOME / f"{options.size}.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    for factor in options.history:
        results[str(factor)] = measure(prepared, factor, factor * LIFETIMES.get(options.size, 1))
        kept.write_text(json.dumps(results))
    table = Table(title=f"{options.size} demo shop on {os.cpu_count()} cores, {platform.machine()}: CPU seconds")
    for heading in (
        "history",
        "order lines",
        "full refresh",
        "peak MB",
        "nothing new",
        "increment",
        "by the clock",
        "its SQL by hand",
        "ratio",
        "changes anywhere",
    ):
        table.add_column(heading, justify="right")
    first = results[min(results, key=int)]
    for factor, found in sorted(results.items(), key=lambda item: int(item[0])):
        table.add_row(
            f"{factor}x",
            f"{found['lines']:,}",
            f"{found['full']:.1f}",
            f"{found['megabytes']:,.0f}",
            f"{found['nothing']:.1f}",
            f"{found['increment']:.1f} ({found['increment'] / first['increment']:.2f}x)",
            f"{found['clock']:.1f} ({found['clock'] / first['clock']:.2f}x)",
            f"{found['by_hand']:.1f}",
            f"{found['increment'] / found['by_hand']:.1f}",
            f"{found['anywhere']:.1f} ({found['anywhere'] / first['anywhere']:.2f}x)",
        )
    CONSOLE.print(table)


if __name__ == "__main__":
    main()
