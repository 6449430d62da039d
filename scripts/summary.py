"""What a person likes to see at the end of a run: `python scripts/summary.py`."""

import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[1]))
from warehouses import postgres, spark

Query = Callable[[str], list[tuple]]
DATA_DIR = Path(os.environ.get("STOREHOUSE_DATA_DIR", "data"))
TARGET = Path(os.environ.get("DBT_TARGET_PATH", DATA_DIR / "target"))
TARGET_NAME = os.environ.get("STOREHOUSE_TARGET", "dev")
WAREHOUSE = DATA_DIR / "warehouse.duckdb"
BAR_WIDTH = 24


@contextmanager
def warehouse() -> Iterator[tuple[str, Query, Query]]:
    """The name of the warehouse that STOREHOUSE_TARGET means, and how to query its raw tables and its marts."""
    match TARGET_NAME:
        case "postgres":
            with closing(postgres.connect("transformer")) as connection, connection.cursor() as cursor:

                def query(statement: str) -> list[tuple]:
                    cursor.execute(statement)
                    return cursor.fetchall()

                yield postgres.status(), query, query
        case "spark":
            landing = spark.folder("spark") / "landing.duckdb"
            with duckdb.connect(str(landing), read_only=True) as connection, spark.session() as session:
                yield (
                    spark.status(),
                    lambda statement: connection.sql(statement).fetchall(),
                    lambda statement: [tuple(row) for row in session.sql(statement).collect()],
                )
        case _:
            with duckdb.connect(str(WAREHOUSE), read_only=True) as connection:

                def query(statement: str) -> list[tuple]:
                    return connection.sql(statement).fetchall()

                yield str(WAREHOUSE), query, query


def build_results() -> str:
    """Count what the last `dbt build` did, per kind and outcome, from its run_results.json."""
    results = json.loads((TARGET / "run_results.json").read_text())["results"]
    outcomes = Counter((result["unique_id"].split(".")[0], result["status"]) for result in results)
    kinds = {
        "seed": "seeds",
        "snapshot": "snapshots",
        "model": "models",
        "test": "data tests",
        "unit_test": "unit tests",
    }
    parts = []
    for kind, label in kinds.items():
        total = sum(count for (of_kind, _), count in outcomes.items() if of_kind == kind)
        good = outcomes[kind, "success"] + outcomes[kind, "pass"]
        if total:
            parts.append(f"{good} {label}" if good == total else f"[red]{good} of {total} {label}[/red]")
    return ", ".join(parts)


def sources_table(query: Query) -> Table:
    """One row per source: its tables, its rows in the warehouse, and the rows that the last load brought."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (("source", "left"), ("tables", "right"), ("rows", "right"), ("new or changed", "right")):
        table.add_column(name, justify=justify)
    raw_tables = query(
        """
        select table_schema, table_name from information_schema.columns
        where column_name = '_dlt_load_id' and starts_with(table_schema, 'raw_')
            and right(table_schema, 8) <> '_staging' and not starts_with(table_name, '_dlt')
            and table_schema <> 'raw_ops' and right(table_name, 5) <> '_keys' and table_name <> 'file_manifest'
            and table_schema in (
                select table_schema from information_schema.tables where table_name = '_dlt_loads'
            )
        order by 1, 2
        """
    )
    for schema in dict.fromkeys(schema for schema, _ in raw_tables):
        names = [name for of_schema, name in raw_tables if of_schema == schema]
        rows = fresh = 0
        for name in names:
            [(total, latest)] = query(
                f"""
                select count(*), count(*) filter (where _dlt_load_id = (select max(load_id) from {schema}._dlt_loads))
                from {schema}."{name}"
                """
            )
            rows, fresh = rows + total, fresh + latest
        table.add_row(schema.removeprefix("raw_"), str(len(names)), f"{rows:,}", f"{fresh:,}")
    return table


def segments_table(query: Query) -> Table:
    """One row per RFM segment with a bar, the largest first."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, justify in (("segment", "left"), ("customers", "right"), ("", "left")):
        table.add_column(name, justify=justify)
    segments = query("select segment, count(*) as customers from marts.rpt_customer_rfm group by 1 order by 2 desc, 1")
    most = max((customers for _, customers in segments), default=1)
    for segment, customers in segments:
        table.add_row(segment, f"{customers:,}", f"[cyan]{'█' * max(1, round(BAR_WIDTH * customers / most))}[/cyan]")
    return table


def yesterday(query: Query) -> str:
    """The last complete day in one sentence: the day before `as_of_date`, which may still be going on."""
    days = query(
        """
        select date_day, orders, currency, net_sales, returns, gross_margin_pct
        from marts.agg_daily_sales order by date_day desc limit 1 offset 1
        """
    )
    if not days:
        return "no day is complete yet"
    [(day, orders, currency, net_sales, returns, margin)] = days
    sentence = f"[bold]{currency} {net_sales:,.2f}[/bold] net from {orders:,} orders, {returns:,.2f} returned"
    return f"{sentence}{'' if margin is None else f', margin {margin:.1f}%'} ({day:%A}, {day})"


def main() -> None:
    """Print the summary."""
    console = Console(highlight=False)
    with warehouse() as (name, raw, marts):
        console.rule("[bold]Storehouse")
        console.print(sources_table(raw), "")
        console.print(f"[bold]Built[/bold]      {build_results()}")
        console.print(f"[bold]Yesterday[/bold]  {yesterday(marts)}", "")
        console.print(segments_table(marts), "")
    console.print(f"[bold]Warehouse[/bold]  {name}")
    console.print(f"[bold]Docs[/bold]       {DATA_DIR / 'docs/static_index.html'}   (or: make docs-serve)")
    if (dashboard := DATA_DIR / "dashboard.html").exists():
        console.print(f"[bold]Dashboard[/bold]  {dashboard}")
    again = "make run" if TARGET_NAME in ("dev", "ci") else f"make run TARGET={TARGET_NAME}"
    console.print(f"[bold]Next[/bold]       make demo-advance DAYS=7 && {again}   a week passes in the shop")


if __name__ == "__main__":
    main()
