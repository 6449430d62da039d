"""Builds one and the same shop on several engines, step by step, and compares every mart value by value.

Everything happens in a folder of its own. Each step lets some days pass in the shop, loads the changes into every
engine and builds; then every mart of every engine is written to Parquet, and DuckDB joins it with the first engine's by
its key. Decimals, texts and times must be equal; floats may differ by a billionth.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from ingestion.errors import KindError
from warehouses import postgres, spark
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
    parser.add_argument("--no-tests", action="store_true", help="leave the data tests of the last step out")
    parser.add_argument("--keep", action="store_true", help="keep the folder and the servers to look at them")


def run(options: argparse.Namespace) -> int:
    """Compare, step by step; 1 when anything differs."""
    folder = data_dir() / "parity"
    shutil.rmtree(folder / "exports", ignore_errors=True)
    os.environ["STOREHOUSE_DATA_DIR"] = str(folder)
    differences: list[Difference] = []
    try:
        shop = ["demo_shop", "start", "--size", options.size, "--seed", str(options.seed)]
        python("-m", *shop)
        for target in options.targets:
            if target != "dev":
                python("-m", "warehouses", "start", target)
        for step in range(options.increments + 1):
            if step:
                python("-m", "demo_shop", "advance", "--days", str(options.days))
            carry_at = options.carry_at or 0
            targets = options.targets if step >= carry_at else options.targets[:1]
            for target in targets:
                if step == carry_at > 0 and target != "dev":
                    python("-m", "warehouses", "carry", target)
                load_and_build(target, folder, with_tests=step == options.increments and not options.no_tests)
            differences = list(compare(targets, folder))
            if differences:
                break
    finally:
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


def python(*arguments: str, environment: dict[str, str] | None = None) -> str:
    """Run a Python module of the project, or stop with what it said."""
    return command([sys.executable, *arguments], environment or {})


def command(line: list[str], environment: dict[str, str]) -> str:
    """Run a command in the repository, or stop with what it said."""
    done = subprocess.run(line, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        # Of a build, only what it says at its end.
        raise KindError(f"`{shlex.join(line[1:])}` failed:\n{said.rpartition('Completed with')[2][-6000:]}")
    return done.stdout


def exports(text: str) -> dict[str, str]:
    """The variables of lines like `export NAME='value'`."""
    words = (word for line in text.splitlines() for word in shlex.split(line.removeprefix("export ")))
    return dict(word.split("=", 1) for word in words)


def load_and_build(target: str, folder: Path, with_tests: bool) -> None:
    """Load what changed in the shop into one engine, and build."""
    started = time.monotonic()
    environment = {
        "STOREHOUSE_TARGET": target,
        "DBT_TARGET_PATH": str(folder / "dbt" / target),
        "DBT_LOG_PATH": str(folder / "dbt" / target / "logs"),
        # A day of a small shop is too little for a file of its own.
        "STOREHOUSE_LAKE_PARTITIONS": "months",
        **exports(python("-m", "demo_shop", "env")),
    }
    if target != "dev":
        environment |= exports(python("-m", "warehouses", "env", target))
    python("-m", "ingestion", environment=environment)
    loaded = time.monotonic()
    without_tests = [] if with_tests else ["--exclude-resource-type", "test", "unit_test"]
    # What the pipeline notes about itself differs from engine to engine, and from run to run.
    dbt = str(Path(sys.executable).with_name("dbt"))
    build = ["build", "--target", target, "--exclude", "source:ops+", *without_tests]
    command([dbt, "--no-use-colors", *build], environment)
    console.print(f"{target}: loaded in {loaded - started:.0f} s, built in {time.monotonic() - loaded:.0f} s")


def compare(targets: list[str], folder: Path) -> Iterator[Difference]:
    """Every difference between the first engine and each other one."""
    marts = read_marts(folder / "dbt" / targets[0])
    for target in targets:
        (folder / "exports" / target).mkdir(parents=True, exist_ok=True)
        EXPORTERS[target](sorted(marts), folder / "exports" / target)
    rows = 0
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        for other in targets[1:]:
            for mart, key in marts.items():
                files = [str(folder / "exports" / target / f"{mart}.parquet") for target in (targets[0], other)]
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
            cursor.execute(
                "select column_name, data_type, numeric_precision, numeric_scale from information_schema.columns "
                "where table_schema = %s and table_name = %s order by ordinal_position",
                [MART_SCHEMA, mart],
            )
            types = {name: duckdb_type(*type_) for name, *type_ in cursor.fetchall()}
            raw = folder / f"{mart}.csv"
            with raw.open("wb") as file:
                cursor.copy_expert(
                    f"copy (select * from {MART_SCHEMA}.{mart}) to stdout with (format csv, force_quote *)", file
                )
            connection.execute(
                f"copy (select * from read_csv('{raw}', columns = {types}, auto_detect = false, header = false, "
                "delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false)) "
                f"to '{folder / mart}.parquet'"
            )
            raw.unlink()


def duckdb_type(name: str, precision: int | None, scale: int | None) -> str:
    """DuckDB's name of a type of Postgres."""
    if name == "numeric":
        return f"decimal({precision}, {scale})" if precision else "decimal(38, 12)"
    return {"character varying": "varchar", "text": "varchar", "double precision": "double"}.get(name, name)


def export_spark(marts: list[str], folder: Path) -> None:
    """Write the marts of the lake: one file each, for they are small enough to be compared."""
    with spark.session() as session:
        for mart in marts:
            session.table(f"{MART_SCHEMA}.{mart}").coalesce(1).write.parquet(str(folder / "spark"), mode="overwrite")
            [file] = (folder / "spark").glob("*.parquet")
            file.replace(folder / f"{mart}.parquet")


EXPORTERS = {"dev": export_duckdb, "postgres": export_postgres, "spark": export_spark}


def as_table(differences: list[Difference]) -> Table:
    """The differences, for a person."""
    table = Table(title=f"{len(differences)} differences" if len(differences) < SHOWN else "The first differences")
    for heading in ("model", "key", "column", "first engine", "other engine"):
        table.add_column(heading)
    for difference in differences[:SHOWN]:
        table.add_row(difference.model, difference.key, difference.column, *difference.values)
    return table
