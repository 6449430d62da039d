"""How fast ingestion is beside the fastest ways there are: `make bench-ingest ROWS=1000000`.

Every line is a process of its own against the same Postgres, files or server, on this machine and in this run: CPU
seconds of the process and of Postgres, seconds on the clock, and the most memory the process had. Everything lives in
`<data>/bench`, with a demo shop of its own, and is made once for each number of rows.
"""

import argparse
import gzip
import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
HOME = (ROOT / os.environ.get("STOREHOUSE_DATA_DIR", "data")).resolve()
DATA = HOME if HOME.name == "bench" else HOME / "bench"
PYTHON = sys.executable
# Others, in environments of their own. ingestr 1 is a program that its package fetches from elsewhere when it first
# runs; the last one in Python holds SQLAlchemy below what pandas wants.
OTHERS = {
    "ingestr": ("ingestr<0.15", "connectorx", "psycopg2-binary"),
    "pandas": ("pandas", "sqlalchemy>=2", "psycopg2-binary", "rich"),
}
TICK = os.sysconf("SC_CLK_TCK")
LATENCY_SECONDS, PAGES, PAGE_ROWS = 0.05, 20, 1000
FEW_ROWS = 50_000  # slow contestants get so many rows and twice as many, which tells what all would cost
LIMIT_SECONDS = 300  # for a contestant, on the clock
CONSOLE = Console(highlight=False, width=110)


@dataclass
class Cost:
    """What a process cost."""

    client: float
    server: float
    wall: float
    peak_mb: float
    is_cut: bool = False  # it was stopped before its end

    @property
    def cpu(self) -> float:
        """All CPU seconds."""
        return self.client + self.server

    def extended(self, twice: "Cost", factor: float) -> "Cost":
        """The cost of `factor` times as many rows, when twice as many cost `twice`: the start is paid once."""

        def extend(one: float, two: float) -> float:
            return one + (two - one) * (factor - 1)

        return Cost(
            extend(self.client, twice.client),
            extend(self.server, twice.server),
            extend(self.wall, twice.wall),
            twice.peak_mb,
        )


def settings() -> dict[str, str]:
    """The environment of every command: a data folder of its own and the connections of its shop."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("SOURCES__")}
    env |= {"STOREHOUSE_DATA_DIR": str(DATA), "COLUMNS": "150"}
    shown = subprocess.run(
        [PYTHON, "-m", "demo_shop", "env"], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    ).stdout
    for line in shown.splitlines():
        key, _, value = line.removeprefix("export ").partition("=")
        env[key] = shlex.split(value)[0]
    return env


def server_seconds() -> float:
    """CPU seconds that the Postgres servers of the bench have used, all processes; 0 where the system does not tell."""
    if not Path("/proc/self/stat").exists():
        return 0
    files = DATA.glob("*/postgres/**/postmaster.pid")
    postmasters = {file.read_text().splitlines()[0] for file in files}
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if path.parent.name in postmasters:
            total += sum(map(int, fields[11:15]))
        elif fields[1] in postmasters:
            total += sum(map(int, fields[11:13]))
    return total / TICK


def measure(command: list[str], env: dict[str, str], must_end: bool = True) -> Cost:
    """Run a command and say what it cost; one that need not end well is stopped when it takes too long."""
    with tempfile.TemporaryFile("w+") as output:
        before, started = server_seconds(), time.monotonic()
        process = subprocess.Popen(command, cwd=ROOT, env=env, stdout=output, stderr=subprocess.STDOUT)
        timer = threading.Timer(LIMIT_SECONDS, process.kill)
        if not must_end:
            timer.start()
        _, status, used = os.wait4(process.pid, 0)
        timer.cancel()
        wall = time.monotonic() - started
        if status:
            output.seek(0)
            told = output.read().strip()
            if must_end:
                raise SystemExit(f"✗ {' '.join(command[1:4])} failed:\n{told}")
            reason = f"stopped after {wall:.0f} seconds" if wall >= LIMIT_SECONDS else told.splitlines()[-1:]
            CONSOLE.print(f"{Path(command[0]).name} did not end well: {reason}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    cost = Cost(
        used.ru_utime + used.ru_stime, server_seconds() - before, wall, used.ru_maxrss / unit, is_cut=bool(status)
    )
    CONSOLE.print(f"[dim]{Path(command[0]).name} {' '.join(command[1:4])[-60:]}: {cost.cpu:.1f} CPU s[/dim]")
    return cost


def extended(command: Callable[[int], list[str]], rows: int, env: dict[str, str]) -> Cost:
    """What a command would cost for so many rows, by what it costs for few and for twice as many."""
    if rows <= 2 * FEW_ROWS:
        return measure(command(rows), env)
    few, twice = (measure(command(some), env) for some in (FEW_ROWS, 2 * FEW_ROWS))
    return few.extended(twice, rows / FEW_ROWS)


def ours(*arguments: str) -> list[str]:
    """The command line of ingestion."""
    return [PYTHON, "-m", "ingestion", *arguments]


def one(name: str, *arguments: object, python: str = PYTHON) -> list[str]:
    """This file as one contestant."""
    return [python, str(Path(__file__)), "--contestant", name, *map(str, arguments)]


def forget() -> None:
    """An empty warehouse."""
    shutil.rmtree(DATA / "dlt", ignore_errors=True)
    for path in DATA.glob("*.duckdb*"):
        path.unlink()


def title(text: str, note: str) -> Table:
    """A table of results."""
    table = Table(title=f"{text}\n[dim]{note}[/dim]", title_justify="left")
    for heading, justify in (
        ("", "left"),
        ("CPU s", "right"),
        ("of it client", "right"),
        ("seconds", "right"),
        ("peak MB", "right"),
        ("ratio", "right"),
    ):
        table.add_column(heading, justify=justify, no_wrap=True)
    return table


def add(table: Table, name: str, cost: Cost, base: Cost | None) -> None:
    """A line of results; the ratio is that of the CPU seconds."""
    over = "over " if cost.is_cut else ""
    ratio = f"{over}{cost.cpu / base.cpu:.2f}" if base else ""
    table.add_row(
        name, f"{over}{cost.cpu:.1f}", f"{cost.client:.1f}", f"{cost.wall:.1f}", f"{cost.peak_mb:,.0f}", ratio
    )


# Contestants: each is a process


def copy_to_nowhere(url: str, table: str) -> None:
    """The wire's limit: COPY, thrown away."""
    import psycopg2

    with psycopg2.connect(url).cursor() as cursor, Path(os.devnull).open("wb") as sink:
        cursor.copy_expert(f"copy shop.{table} to stdout (format csv)", sink)


def scanner(url: str, table: str, file: str) -> None:
    """DuckDB's own scanner of Postgres."""
    import duckdb

    [extension] = Path(duckdb.__file__).parents[1].glob("duckdb_extension_postgres_scanner/**/*.duckdb_extension")
    connection = duckdb.connect(file)
    connection.execute(f"load '{extension}'")
    connection.execute(f"attach '{url}' as shop (type postgres, read_only)")
    connection.execute(f"create table {table} as from shop.shop.{table}")


def copy_to_copy(url: str, table: str, target: str) -> None:
    """COPY out of one Postgres and into another, whose table gets the index on its key that merges need."""
    import psycopg2

    read_end, write_end = os.pipe()

    def read() -> None:
        with psycopg2.connect(url).cursor() as cursor, os.fdopen(write_end, "wb") as sink:
            cursor.copy_expert(f"copy shop.{table} to stdout", sink)

    with psycopg2.connect(url).cursor() as cursor:
        cursor.execute(
            "select string_agg(format('%%I %%s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum) "
            "from pg_attribute where attrelid = %s::regclass and attnum > 0",
            [f"shop.{table}"],
        )
        [(columns,)] = cursor.fetchall()
    threading.Thread(target=read).start()
    with psycopg2.connect(target) as connection, connection.cursor() as cursor, os.fdopen(read_end, "rb") as source:
        cursor.execute("drop schema if exists bench, raw_shop, raw_shop_staging cascade; create schema bench")
        cursor.execute(f"create table bench.bare ({columns})")
        cursor.copy_expert("copy bench.bare from stdin", source)
        cursor.execute("create index on bench.bare (order_item_id); analyze bench.bare")


def dlt_default(url: str, table: str, rows: str) -> None:
    """dlt as it comes: SQLAlchemy rows and INSERT statements."""
    import dlt
    from dlt.sources.sql_database import sql_table

    pipeline = dlt.pipeline(
        "bench", pipelines_dir=str(DATA / "dlt"), destination=dlt.destinations.duckdb(str(DATA / "dlt.duckdb"))
    )
    source = sql_table(
        url.replace("postgresql://", "postgresql+psycopg2://"),
        table,
        "shop",
        query_adapter_callback=lambda query, _: query.limit(int(rows)),
    )
    pipeline.run(source, loader_file_format="insert_values")


def pandas_way(url: str, table: str, rows: str) -> None:
    """What a script of pandas does: `read_sql` and `to_sql`, in chunks, into Postgres."""
    import pandas
    from sqlalchemy import create_engine

    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    for chunk in pandas.read_sql(f"select * from shop.{table} limit {rows}", engine, chunksize=50_000):
        chunk.to_sql("by_pandas", engine, schema="bench", if_exists="append", index=False)


def read_json(pattern: str, file: str) -> None:
    """DuckDB's own reader of JSON lines."""
    import duckdb

    duckdb.connect(file).execute(f"create table clicks as from read_json('{pattern}', format = 'newline_delimited')")


def imports(url: str, api: str, token: str) -> None:
    """What every run needs before it can do anything: dlt, the drivers, and open connections."""
    import dlt
    import dlt.sources.filesystem
    import dlt.sources.helpers.rest_client
    import dlt.sources.sql_database
    import duckdb
    import psycopg2
    import pyarrow
    import requests

    psycopg2.connect(url).cursor().execute("select 1")
    duckdb.connect(str(DATA / "warehouse.duckdb")).execute("select 1")
    requests.get(f"{api}/v1/payments", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    assert dlt and pyarrow


def requests_alone(url: str) -> None:
    """A plain client: the pages of one endpoint one after the other, parsed and dropped."""
    import requests

    cursor = "0"
    with requests.Session() as session:
        while cursor:
            answer = session.get(f"{url}/v1/payments", params={"cursor": cursor}, timeout=30)
            cursor = json.loads(answer.content)["next"]


CONTESTANTS = (copy_to_nowhere, scanner, copy_to_copy, dlt_default, pandas_way, read_json, imports, requests_alone)


# What they compete in


def fill(env: dict[str, str], table: str, rows: int) -> None:
    """Make a table like order_items with so many rows, unless it is there."""
    import psycopg2

    with psycopg2.connect(env["DEMO_SHOP_ADMIN_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass(%s)", [f"shop.{table}"])
        if cursor.fetchone()[0]:
            return
        CONSOLE.print(f"making shop.{table} with {rows:,} rows")
        cursor.execute(
            f"""
            create table shop.{table} (like shop.order_items including indexes);
            insert into shop.{table}
            select
                n, n / 3, n % 5000, 'Product ' || n % 5000, 1 + n % 4, (n % 20000) / 100.0,
                case when n % 10 > 0 then (n % 9000) / 100.0 end, n % 3, (n % 500) / 100.0, n % 50 = 0,
                timestamptz '2024-01-01' + n * interval '1 second', timestamptz '2024-01-01' + n * interval '1 second'
            from generate_series(1, {rows}) as n;
            create index on shop.{table} (updated_at);
            grant select on shop.{table} to storehouse_loader;
            """
        )
    with_autocommit(env, f"vacuum analyze shop.{table}")


def with_autocommit(env: dict[str, str], statement: str) -> None:
    """Run a statement that wants no transaction around it."""
    import psycopg2

    connection = psycopg2.connect(env["DEMO_SHOP_ADMIN_URL"])
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


def with_other(name: str) -> Path | None:
    """The programs of an environment with another contestant; none where it cannot be installed, with the reason."""
    folder = DATA / "others" / name
    uv = Path(PYTHON).with_name("uv")
    for command in (
        [uv, "venv", "--quiet", "--allow-existing", "--python", PYTHON, folder],
        [uv, "pip", "install", "--quiet", "--python", folder / "bin" / "python", *OTHERS[name]],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            CONSOLE.print(f"{name} is left out: {done.stderr.strip()}")
            return None
    return folder / "bin"


def bench_table(env: dict[str, str], rows: int) -> Table:
    """A whole table from Postgres into DuckDB."""
    name = f"items_{rows}"
    fill(env, name, rows)
    url = env["DEMO_SHOP_ADMIN_URL"]
    table = title(f"Postgres to DuckDB, {rows:,} order lines", "ratio: to the bare scanner")
    lines = [("COPY to nowhere", measure(one("copy_to_nowhere", url, name), env))]
    forget()
    base = measure(one("scanner", url, name, DATA / "scanner.duckdb"), env)
    lines.append(("DuckDB's scanner, bare", base))
    env |= {"SOURCES__SHOP__TABLES": json.dumps([name])}
    for what, settings in {
        "Storehouse, by the scanner": {},
        "Storehouse, by COPY": {"SOURCES__SHOP__SCAN_FROM_ROWS": str(10**12)},
    }.items():
        forget()
        lines.append((what, measure(ours("--source", "shop"), env | settings)))
    forget()
    if others := with_other("ingestr"):
        ingestr = [
            *(str(others / "ingestr"), "ingest", "--yes", "--source-uri", url, "--source-table", f"shop.{name}"),
            *("--dest-uri", f"duckdb:///{DATA / 'ingestr.duckdb'}", "--dest-table", "main.items"),
            # Its fastest way
            *("--sql-backend", "connectorx", "--loader-file-format", "parquet"),
        ]
        lines.append(("ingestr 0.14", measure(ingestr, env | {"DISABLE_TELEMETRY": "true"}, must_end=False)))
    if others := with_other("pandas"):
        with_autocommit(env, "drop schema if exists bench cascade; create schema bench")
        cost = extended(lambda some: one("pandas_way", url, name, some, python=str(others / "python")), rows, env)
        lines.append((f"pandas into Postgres (from {2 * FEW_ROWS:,} rows)", cost))
    cost = extended(lambda some: one("dlt_default", url, name, some), rows, env)
    lines.append((f"dlt as it comes (from {2 * FEW_ROWS:,} rows)", cost))
    for what, cost in lines:
        add(table, what, cost, base)
    return table


def bench_postgres(env: dict[str, str], rows: int) -> Table:
    """A whole table from Postgres into the Postgres warehouse."""
    name = f"items_{rows}"
    fill(env, name, rows)
    warehouses = [PYTHON, "-m", "warehouses"]
    subprocess.run([*warehouses, "start", "postgres"], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)
    try:
        table = title(f"Postgres to Postgres, {rows:,} order lines, with an index", "ratio: to COPY into COPY")
        find = "from warehouses import postgres; print(postgres.url('loader'))"
        target = subprocess.run([PYTHON, "-c", find], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
        base = measure(one("copy_to_copy", env["DEMO_SHOP_ADMIN_URL"], name, target.stdout.strip()), env)
        add(table, "COPY into COPY, bare", base, base)
        env |= {"SOURCES__SHOP__TABLES": json.dumps([name])}
        load = [*warehouses, "with", "postgres", "--", *ours("--source", "shop")]
        add(table, "Storehouse", measure(load, env), base)
        return table
    finally:
        subprocess.run([*warehouses, "stop", "postgres"], cwd=ROOT, env=env, check=True, stdout=subprocess.DEVNULL)


def bench_lines(env: dict[str, str], rows: int) -> Table:
    """JSON lines into DuckDB."""
    folder = DATA / "lines" / f"{rows}"
    files = max(1, rows // 100_000)
    if not folder.exists():
        CONSOLE.print(f"making {rows:,} clicks in {files} files")
        folder.mkdir(parents=True)
        for number in range(files):
            with gzip.open(folder / f"{number:04}.jsonl.gz", "wt", compresslevel=1) as file:
                for line in range(rows // files):
                    click = {
                        "event_id": f"{number:08x}-{line:012x}",
                        "event_type": ("page_view", "product_view", "add_to_cart")[line % 3],
                        "anonymous_id": f"visitor {line % 5000}",
                        "customer_id": line % 900 or None,
                        "session_id": f"session {line // 7}",
                        "page_url": f"https://shop.example/products/{line % 400}?from=search",
                        "occurred_at": f"2024-05-{1 + line % 28:02}T10:{line % 60:02}:00.000Z",
                        "properties": {"product_id": line % 400, "quantity": 1},
                    }
                    file.write(json.dumps(click) + "\n")
    table = title(f"{rows:,} JSON lines, gzip, into DuckDB", "ratio: to DuckDB's read_json, which stops at a bad line")
    forget()
    base = measure(one("read_json", folder / "*.jsonl.gz", DATA / "lines.duckdb"), env)
    add(table, "DuckDB's read_json", base, base)
    env |= {
        "SOURCES__FILES__BUCKET_URL": str(folder),
        "SOURCES__FILES__DATASETS": '{"clickstream": "*.jsonl.gz"}',
    }
    add(table, "Storehouse, bad lines set aside", measure(ours("--source", "files"), env), base)
    return table


def bench_api(env: dict[str, str]) -> Table:
    """Pages of an API that takes its time."""
    records = [
        {"payment_id": f"p{n}", "amount": "1.10", "updated_at": "2025-01-01T00:00:00Z"} for n in range(PAGE_ROWS)
    ]

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            number = int(parse_qs(urlsplit(self.path).query).get("cursor", ["0"])[0])
            time.sleep(LATENCY_SECONDS)
            body = json.dumps({"data": records, "next": str(number + 1) if number + 1 < PAGES else None}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    env |= {"SOURCES__API__BASE_URL": url, "SOURCES__API__TOKEN": "any"}
    table = title(
        f"REST, {PAGES} pages of {PAGE_ROWS:,} records each, {LATENCY_SECONDS * 1000:.0f} ms each",
        f"one endpoint one after the other takes {PAGES * LATENCY_SECONDS:.1f} s at least; ratio: to a plain client",
    )
    forget()
    base = measure(one("requests_alone", url), env)
    add(table, "requests alone, 1 endpoint, nothing stored", base, base)
    add(table, "Storehouse, 1 endpoint", measure(ours("--source", "api", "--tables", "payments"), env), base)
    forget()
    add(
        table, "Storehouse, 2 endpoints", measure(ours("--source", "api", "--tables", "payments", "refunds"), env), base
    )
    server.shutdown()
    return table


def bench_nothing_new(env: dict[str, str]) -> Table:
    """A run over everything that finds nothing."""
    table = title("A run over all tables that finds nothing new", "ratio: to the imports and the connections")
    forget()
    measure(ours(), env)
    urls = env["DEMO_SHOP_ADMIN_URL"], env["SOURCES__API__BASE_URL"], env["SOURCES__API__TOKEN"]
    base = measure(one("imports", *urls), env)
    add(table, "imports and connections", base, base)
    add(table, "Storehouse", measure(ours(), env), base)
    return table


def bench_slope(env: dict[str, str], rows: int) -> Table:
    """The same number of changed rows in a history that grows."""
    changed = rows // 100
    table = title(f"{changed:,} changed rows in a history that grows", "ratio: to the smallest history")
    base = None
    for factor in (1, 5, 25):
        name = f"items_{rows * factor}"
        fill(env, name, rows * factor)
        forget()
        with_table = env | {"SOURCES__SHOP__TABLES": json.dumps([name]), "SOURCES__SHOP__LAG_SECONDS": "0"}
        measure(ours("--source", "shop"), with_table)
        with_autocommit(
            env,
            f"update shop.{name} set quantity = quantity + 1, updated_at = clock_timestamp() "
            f"where order_item_id % {rows * factor // changed} = 0",
        )
        cost = measure(ours("--source", "shop"), with_table)
        base = base or cost
        add(table, f"{factor}x: {rows * factor:,} rows", cost, base)
    return table


def main() -> None:
    """Run what was asked for and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", nargs="+", choices=("table", "postgres", "lines", "api", "nothing", "slope"))
    parser.add_argument("--contestant", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        name, *arguments = options.contestant
        return {function.__name__: function for function in CONTESTANTS}[name](*arguments)

    shop = [PYTHON, "-m", "demo_shop", "start", "--size", "tiny"]
    DATA.mkdir(parents=True, exist_ok=True)
    os.environ["STOREHOUSE_DATA_DIR"] = str(DATA)
    subprocess.run(shop, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    benches: dict[str, Callable[[dict[str, str]], Table]] = {
        "table": lambda env: bench_table(env, options.rows),
        "postgres": lambda env: bench_postgres(env, options.rows),
        "lines": lambda env: bench_lines(env, options.rows),
        "api": bench_api,
        "nothing": bench_nothing_new,
        "slope": lambda env: bench_slope(env, max(options.rows // 25, 1000)),
    }
    try:
        CONSOLE.print(
            f"{os.cpu_count()} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}"
        )
        for name, bench in benches.items():
            if not options.only or name in options.only:
                CONSOLE.print(bench(settings()), "")
    finally:
        subprocess.run([PYTHON, "-m", "demo_shop", "stop"], cwd=ROOT, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
