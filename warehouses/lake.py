"""What arrived in the landing file, as Iceberg tables.

dlt loads into DuckDB, as everywhere: the landing file is where its merges, its state and its comparisons live. When a
load is complete, the tables that it changed are brought into the lake, each in one commit. Spark therefore never reads
half a load, and a run that was killed in between is caught up with by the next one.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from warehouses import spark
from warehouses.settings import folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TYPES = {"JSON": "varchar", "UUID": "varchar"}
LOADS = "_dlt_loads"


def landing_file() -> Path:
    """The DuckDB file that dlt loads into."""
    return folder("spark") / "landing.duckdb"


def deliver() -> None:
    """Bring the lake to the state of the landing file."""
    scratch = folder("spark") / "landing"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    with duckdb.connect(landing_file()) as landing, spark.session() as session:
        tables = list(landed_tables(landing))
        for dataset in sorted({dataset for dataset, _, _ in tables}):
            session.sql(f"create namespace if not exists {dataset}")
        held = delivered(session, [f"{dataset}.{table}" for dataset, table, _ in tables])
        news = new_loads(landing, session, [dataset for dataset, table, _ in tables if table == LOADS])
        for number, (dataset, table, keys) in enumerate(tables):
            file, name = scratch / f"{number}.parquet", f"{dataset}.{table}"
            deliver_table(landing, session, name, keys, file.as_posix(), held.get(name, 0), news[dataset])
        # The salt of the e-mail hashes is no table of dlt's, and never changes.
        if not session.catalog.tableExists("raw_secrets.email_salt"):
            file = (scratch / "salt.parquet").as_posix()
            landing.execute(f"copy raw_secrets.email_salt to '{file}' (format parquet)")
            session.sql("create namespace if not exists raw_secrets")
            session.read.parquet(file).writeTo("raw_secrets.email_salt").create()
    shutil.rmtree(scratch)


def landed_tables(landing: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str, list[str]]]:
    """Dataset, name and primary key of all that dlt loaded; its loads come last, when all that they say is there."""
    datasets = landing.execute(
        "select table_schema from information_schema.tables where table_name = ? order by 1", [LOADS]
    ).fetchall()
    for (dataset,) in datasets:
        [schema] = landing.execute(
            f"select schema from {dataset}._dlt_version order by inserted_at desc limit 1"
        ).fetchone()
        present = landing.execute(
            "select table_name from information_schema.columns where table_schema = ? and column_name = '_dlt_load_id' "
            "and not starts_with(table_name, '_dlt') order by 1",
            [dataset],
        ).fetchall()
        columns = {name: table["columns"].items() for name, table in json.loads(schema)["tables"].items()}
        for (table,) in present:
            yield dataset, table, [name for name, column in columns.get(table, ()) if column.get("primary_key")]
    for (dataset,) in datasets:
        yield dataset, LOADS, ["load_id"]


def load_column(table: str) -> str:
    """The column that says with which load a row came."""
    return "load_id" if table.endswith(f".{LOADS}") else "_dlt_load_id"


def delivered(session: "SparkSession", tables: list[str]) -> dict[str, int]:
    """The number of rows of each table that is in the lake already."""
    looks = [
        f"select '{table}' as name, count(*) as held from {table}"
        for table in tables
        if session.catalog.tableExists(table)
    ]
    return dict(session.sql(" union all ".join(looks)).collect()) if looks else {}


def new_loads(landing: duckdb.DuckDBPyConnection, session: "SparkSession", datasets: list[str]) -> dict[str, list[str]]:
    """The complete loads of each dataset that the lake has not: one that was held up has an older id than others."""
    news = {}
    for dataset in datasets:
        table = f"{dataset}.{LOADS}"
        held = session.table(table).select("load_id").collect() if session.catalog.tableExists(table) else []
        landed = landing.execute(f"select load_id from {table}").fetchall()
        news[dataset] = sorted({load for (load,) in landed} - {load for (load,) in held})
    return news


def deliver_table(
    landing: duckdb.DuckDBPyConnection,
    session: "SparkSession",
    table: str,
    keys: list[str],
    file: str,
    held: int,
    loads: list[str],
) -> None:
    """Bring one table into the lake in one commit: what is new by key, or the whole table where that is not enough."""
    columns = {name: type_ for name, type_, *_ in landing.execute(f"describe {table}").fetchall()}
    select = ", ".join(f'cast("{name}" as {TYPES.get(type_, type_)}) as "{name}"' for name, type_ in columns.items())
    if held and list(columns) == session.table(table).columns:
        is_new = f"{load_column(table)} in (select unnest(?::varchar[]))"
        [wanted, incoming] = landing.execute(
            f"select count(*), (select count(*) from {table} where {is_new}) from {table}", [loads]
        ).fetchone()
        if not incoming and held == wanted:
            return
        if incoming:
            landing.execute(f"copy (select {select} from {table} where {is_new}) to '{file}' (format parquet)", [loads])
            new = session.read.parquet(file)
            matched = new.join(session.table(table), keys, "left_semi").count() if keys else 0
            if held + incoming - matched == wanted:
                return merge(session, table, keys, new)
    landing.execute(f"copy (select {select} from {table}) to '{file}' (format parquet)")
    session.read.parquet(file).writeTo(table).createOrReplace()


def merge(session: "SparkSession", table: str, keys: list[str], new: "DataFrame") -> None:
    """Write the new versions of rows over the old ones; rows without a key can only be new."""
    if not keys:
        new.writeTo(table).append()
        return
    new.createOrReplaceTempView("incoming")
    same = " and ".join(f"held.{key} = incoming.{key}" for key in keys)
    session.sql(
        f"merge into {table} as held using incoming on {same} "
        "when matched then update set * when not matched then insert *"
    )
