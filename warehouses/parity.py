"""Builds one and the same shop on several engines, step by step, and compares every mart value by value.

Everything happens in a folder of its own. Each step lets some days pass in the shop, loads the changes into every
engine and builds; then every mart of every engine is written to Parquet, and DuckDB joins it with the first engine's by
its key. Decimals, texts and times must be equal; floats may differ by a billionth.

Each engine works in one process from start to end, which parses the project once and keeps Spark's driver.
"""

import argparse
import gc
import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from ingestion.errors import KindError
from warehouses import postgres, spark
from warehouses.carry import carry
from warehouses.settings import ROOT, data_dir

MART_SCHEMA = "marts"
LOAD_ID = "load_id"
SHOWN = 50
console = Console(highlight=False)


@dataclass
class Difference:
    """One value, or one row, that the engines do not agree on."""

    model: str
    key: str
    column: str
    values: tuple[str, str]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what can be chosen."""
    parser.add_argument("--targets", nargs="+", default=["dev", "postgres"], choices=list(EXPORTERS))
    parser.add_argument("--size", default="tiny", choices=["tiny", "small"])
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--increments", type=int, default=3, help="how often days pass, after the first load")
    parser.add_argument("--days", type=int, default=10, help="days that pass each time")
    parser.add_argument(
        "--carry-at",
        type=int,
        metavar="INCREMENT",
        help="begin with DuckDB alone, and carry the shop to the other engines after this increment",
    )
    parser.add_argument("--compare-every", type=int, default=1, metavar="INCREMENTS", help="and after the last one")
    parser.add_argument("--no-tests", action="store_true", help="leave the data tests of the last step out")
    parser.add_argument("--keep", action="store_true", help="keep the folder and the servers to look at them")


def run(options: argparse.Namespace) -> int:
    """Compare, step by step; 1 when anything differs."""
    folder = data_dir() / "parity"
    shutil.rmtree(folder / "exports", ignore_errors=True)
    os.environ["STOREHOUSE_DATA_DIR"] = str(folder)
    engines: list[Engine] = []
    differences: list[Difference] = []
    try:
        python("-m", "demo_shop", "start", "--size", options.size, "--seed", str(options.seed))
        engines = [Engine(target, folder, options.size) for target in options.targets]
        carry_at = options.carry_at or 0
        for step in range(options.increments + 1):
            if step:
                python("-m", "demo_shop", "advance", "--days", str(options.days))
            if step == carry_at > 0:
                for engine in engines[1:]:
                    engine.do(carry, engine.target)
            at_work = engines if step >= carry_at else engines[:1]
            for engine in at_work:
                engine.load_and_build(with_tests=step == options.increments and not options.no_tests)
            if step % options.compare_every == 0 or step == options.increments:
                differences = list(compare(at_work, folder))
            if differences:
                break
    finally:
        for engine in engines:
            engine.process.shutdown()
        if not options.keep:
            for server in ("demo_shop stop", "warehouses stop spark", "warehouses stop postgres"):
                subprocess.run(
                    [sys.executable, "-m", *server.split()], cwd=ROOT, stdout=subprocess.DEVNULL, check=False
                )
            shutil.rmtree(folder, ignore_errors=True)
    if differences:
        console.print(as_table(differences))
        return 1
    console.print(f"✓ {' = '.join(options.targets)}: every mart, after {options.increments} increments")
    return 0


def python(*arguments: str) -> str:
    """Run a Python module of the project, or stop with what it said."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise KindError(f"`python {shlex.join(arguments)}` failed:\n{(done.stdout + done.stderr).strip()[-6000:]}")
    return done.stdout


class Engine:
    """One engine and the process that works on it."""

    def __init__(self, target: str, folder: Path, size: str) -> None:
        self.target = target
        self.artifacts = folder / "dbt" / target
        self.log = folder / f"{target}.log"
        if target != "dev":
            python("-m", "warehouses", "start", target, *(["--small"] if size == "tiny" else []))
        environment = {
            "STOREHOUSE_TARGET": target,
            "DBT_TARGET_PATH": str(self.artifacts),
            "DBT_LOG_PATH": str(self.artifacts / "logs"),
            # A day of a small shop is too little for a file of its own.
            "STOREHOUSE_LAKE_PARTITIONS": "months",
            **exports(python("-m", "demo_shop", "env")),
            **({} if target == "dev" else exports(python("-m", "warehouses", "env", target))),
        }
        self.process = ProcessPoolExecutor(1, get_context("spawn"), settle_in, (environment, self.log))

    def do(self, work: Callable, *arguments: Any) -> Any:
        """Let the process do something; what it said goes into a log."""
        try:
            return self.process.submit(work, *arguments).result()
        except Exception as error:
            raise KindError(f"{self.target}: {error}\n{self.log.read_text()[-6000:]}") from None

    def load_and_build(self, with_tests: bool) -> None:
        """Load what changed in the shop, and build."""
        started = time.monotonic()
        self.do(load)
        loaded = time.monotonic()
        self.do(build, with_tests)
        console.print(f"{self.target}: loaded in {loaded - started:.0f} s, built in {time.monotonic() - loaded:.0f} s")


def exports(text: str) -> dict[str, str]:
    """The variables of lines like `export NAME='value'`."""
    words = (word for line in text.splitlines() for word in shlex.split(line.removeprefix("export ")))
    return dict(word.split("=", 1) for word in words)


def settle_in(environment: dict[str, str], log: Path) -> None:
    """Begin the process of an engine: its settings, and one log for all that it and Java say."""
    os.environ.update(environment)
    os.chdir(ROOT)
    gc.disable()  # as in operations/build.py
    stream = log.open("w")
    for number in (1, 2):
        os.dup2(stream.fileno(), number)
    sys.stdout.reconfigure(line_buffering=True)
    if environment["STOREHOUSE_TARGET"] == "spark":
        spark.driver()


def load() -> None:
    """Load what changed in the shop."""
    from ingestion.__main__ import main

    # What the last build left behind holds plans in Spark's driver, whose memory would not last for ten builds.
    gc.collect()

    if main([]):
        raise KindError("the load failed")


def build(with_tests: bool) -> None:
    """Build with dbt."""
    from dbt.cli.main import dbtRunner

    without_tests = [] if with_tests else ["--exclude-resource-type", "test", "unit_test"]
    # What the pipeline notes about itself differs from engine to engine, and from run to run.
    done = dbtRunner(manifest=pickle.loads(manifest())).invoke(["build", "--exclude", "source:ops+", *without_tests])
    if os.environ["STOREHOUSE_TARGET"] == "dev":
        from dbt.adapters.duckdb.connections import DuckDBConnectionManager

        # The next load opens the file.
        DuckDBConnectionManager.env().close()
        DuckDBConnectionManager.close_all_connections()
    if not done.success:
        raise KindError("the build failed")


@cache
def manifest() -> bytes:
    """The project as dbt understands it, which does not change between two steps; a build needs a copy of its own."""
    from dbt.cli.main import dbtRunner

    parsed = dbtRunner().invoke(["--quiet", "parse"])
    if not parsed.success:
        raise KindError("dbt cannot parse the project")
    # Its own deepcopy does not know that there are no databases on Spark.
    return pickle.dumps(parsed.result)


def compare(engines: list[Engine], folder: Path) -> Iterator[Difference]:
    """Every difference between the first engine and each other one."""
    marts = read_marts(engines[0].artifacts)
    for engine in engines:
        (folder / "exports" / engine.target).mkdir(parents=True, exist_ok=True)
        engine.do(EXPORTERS[engine.target], sorted(marts), folder / "exports" / engine.target)
    rows = 0
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for other in engines[1:]:
            for mart, key in marts.items():
                files = [str(folder / "exports" / one.target / f"{mart}.parquet") for one in (engines[0], other)]
                rows += connection.execute(f"select count(*) from '{files[0]}'").fetchone()[0]
                yield from differences_of(connection, mart, key, files)
    console.print(f"compared {len(marts)} marts, {rows:,} rows")


def read_marts(artifacts: Path) -> dict[str, list[str]]:
    """The marts that were built and their keys, which are what their uniqueness tests say."""
    nodes = json.loads((artifacts / "manifest.json").read_text())["nodes"]
    built = (result["unique_id"] for result in json.loads((artifacts / "run_results.json").read_text())["results"])
    marts = {name: [] for name in built if name.startswith("model.") and nodes[name]["schema"] == MART_SCHEMA}
    for node in nodes.values():
        owner = node.get("attached_node")
        test = (node.get("test_metadata") or {}).get("name")
        if owner not in marts or node.get("config", {}).get("where"):
            continue
        if test == "unique":
            marts[owner] = [node["column_name"]]
        elif test == "unique_combination_of_columns" and not marts[owner]:
            marts[owner] = node["test_metadata"]["kwargs"]["combination_of_columns"]
    keyless = [nodes[name]["name"] for name, key in marts.items() if not key]
    if keyless:
        raise KindError(
            f"No test says what the key of {', '.join(keyless)} is: add `unique` or a combination of columns."
        )
    return {nodes[name]["alias"]: key for name, key in marts.items()}


def differences_of(
    connection: duckdb.DuckDBPyConnection, mart: str, key: list[str], files: list[str]
) -> Iterator[Difference]:
    """The differences between two files of one mart."""
    columns, others = (
        dict(row[:2] for row in connection.execute(f"describe select * from '{file}'").fetchall()) for file in files
    )
    for name in sorted(columns.keys() ^ others.keys()):
        yield Difference(mart, "", name, ("column" if name in columns else "", "column" if name in others else ""))
    compared = [name for name in columns if name in others and name not in key]
    if LOAD_ID in columns:
        # The number of a load, and a key made from it, are the engine's own: such rows are compared as a whole.
        key, compared = [name for name in compared if name != LOAD_ID], []
    unequal = {name: is_unequal(name, columns[name], others[name]) for name in compared}
    joined = connection.execute(
        f"select {', '.join(f'coalesce(a.{name}, b.{name})' for name in key)}, "
        "a.present is null, b.present is null"
        + "".join(f", {test}, cast(a.{name} as varchar), cast(b.{name} as varchar)" for name, test in unequal.items())
        + f" from (select *, 1 as present from '{files[0]}') as a "
        f"full join (select *, 1 as present from '{files[1]}') as b "
        f"on {' and '.join(f'a.{name} is not distinct from b.{name}' for name in key)} "
        f"where {' or '.join(['a.present is null', 'b.present is null', *unequal.values()])} limit {SHOWN}"
    ).fetchall()
    for row in joined:
        label = ", ".join(map(str, row[: len(key)]))
        no_left, no_right, *rest = row[len(key) :]
        if no_left or no_right:
            yield Difference(mart, label, "(row)", ("" if no_left else "row", "" if no_right else "row"))
            continue
        for number, name in enumerate(unequal):
            differs, left, right = rest[3 * number : 3 * number + 3]
            if differs:
                yield Difference(mart, label, name, (str(left), str(right)))


def is_unequal(name: str, left: str, right: str) -> str:
    """The SQL test for two values that differ."""
    if "DOUBLE" in (left, right) or "FLOAT" in (left, right):
        return (
            f"coalesce(abs(a.{name} - b.{name}) > 1e-9 * greatest(1, abs(a.{name})), "
            f"a.{name} is distinct from b.{name})"
        )
    return f"(a.{name} is distinct from b.{name})"


def export_duckdb(marts: list[str], folder: Path) -> None:
    """Write the marts of the DuckDB warehouse."""
    with duckdb.connect(data_dir() / "warehouse.duckdb", read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        for mart in marts:
            connection.execute(f"copy {MART_SCHEMA}.{mart} to '{folder / mart}.parquet'")


def export_postgres(marts: list[str], folder: Path) -> None:
    """Write the marts of the Postgres warehouse: as CSV first, read with the types that Postgres says."""
    with (
        closing(postgres.connect("transformer")) as session,
        session.cursor() as cursor,
        duckdb.connect() as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        for mart in marts:
            raw = folder / f"{mart}.csv"
            rows = postgres.as_csv(cursor, MART_SCHEMA, mart, raw)
            connection.execute(f"copy (from {rows}) to '{folder / mart}.parquet'")
            raw.unlink()


def export_spark(marts: list[str], folder: Path) -> None:
    """Write the marts of the lake, which are small enough to be compared."""
    with spark.session() as session:
        for mart in marts:
            pq.write_table(session.table(f"{MART_SCHEMA}.{mart}").toArrow(), folder / f"{mart}.parquet")


EXPORTERS = {"dev": export_duckdb, "postgres": export_postgres, "spark": export_spark}


def as_table(differences: list[Difference]) -> Table:
    """The differences, for a person."""
    table = Table(title=f"{len(differences)} differences" if len(differences) < SHOWN else "The first differences")
    for heading in ("model", "key", "column", "first engine", "other engine"):
        table.add_column(heading)
    for difference in differences[:SHOWN]:
        table.add_row(difference.model, difference.key, difference.column, *difference.values)
    return table
