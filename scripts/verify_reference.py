"""Load public data sets as shops, run the normal models, and compare with the numbers published for them.

The data sets stay outside the repository: `make verify-reference REFERENCE=folder` names the folder that holds them.
Each becomes orders of a shop's Postgres, is loaded by `python -m ingestion` and built by `dbt build`, like any shop.
"""

import argparse
import csv
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import duckdb
import psycopg2
from psycopg2.extras import execute_values

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / os.environ.get("REFERENCE", "../shared/reference")
WHERE = """\
✗ {file} is not in {folder}.
  The reference data sets are public, but not ours to hand on. Put these files into one folder and name it with
  make verify-reference REFERENCE=folder
    rfm_orders.csv               `rfm_data_orders` of the R package rfm (Rsquared Academy, on CRAN), written as CSV
    cdnow_sample.txt             `CDNOW_sample.txt` of the CDNOW data set (Bruce Hardie, brucehardie.com, Datasets)
    cdnow_customers_summary.csv  the summary of the same customers in the Python package lifetimes (on PyPI), in
                                 lifetimes/datasets/cdnow_customers_summary.csv"""


@dataclass(frozen=True)
class Order:
    """What the data sets know of an order."""

    customer: str
    day: str
    amount: Decimal


@dataclass(frozen=True)
class Dataset:
    """A data set: its orders, the variables of the build, and what was published."""

    title: str
    files: tuple[str, ...]
    variables: str
    orders: Callable[[Path], Iterator[Order]]
    compare: Callable[[duckdb.DuckDBPyConnection, Path], Iterator[tuple[str, object, object]]]


class Failure(Exception):
    """What went wrong, for a person."""


# The R package rfm: scores and segments of 995 people, as of the end of 2006

RFM_SEGMENTS = {
    "Champions": (35, 316, 31_646),
    "Potential Loyalists": (342, 2_211, 204_856),
    "Loyal Customers": (170, 799, 76_562),
    "Promising": (9, 28, 4_249),
    "New Customers": (104, 329, 28_837),
    "Cannot Lose Them": (47, 274, 32_446),
    "At Risk": (28, 216, 22_227),
    "Need Attention": (10, 57, 4_562),
    "About To Sleep": (102, 283, 23_449),
    "Lost": (148, 393, 35_324),
}
RFM_CUSTOMERS = {
    "Abbey O'Reilly": (205, 6, 472, 3, 4, 3),
    "Add Senger": (140, 3, 340, 4, 1, 2),
    "Aden Lesch": (194, 4, 405, 3, 2, 3),
    "Aden Murphy": (98, 7, 596, 5, 4, 4),
    "Admiral Senger": (132, 5, 448, 4, 3, 3),
}


def rfm_orders(folder: Path) -> Iterator[Order]:
    """The orders of the R package's data."""
    with (folder / "rfm_orders.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            yield Order(row["customer_id"], row["order_date"], Decimal(row["revenue"]))


def compare_rfm(warehouse: duckdb.DuckDBPyConnection, _: Path) -> Iterator[tuple[str, object, object]]:
    """Segments, their customers, orders and revenue; and the customers that the package's documentation shows."""
    segments = warehouse.execute("""
        select segment, count(*), sum(frequency), sum(monetary_amount) from marts.rpt_customer_rfm group by segment
    """).fetchall()
    yield "segments", {name: tuple(map(int, values)) for name, *values in segments}, RFM_SEGMENTS
    customers = warehouse.execute(
        """
        select
            source.last_name, recency_days, frequency, monetary_amount,
            recency_score, frequency_score, monetary_score
        from marts.rpt_customer_rfm as rfm
        inner join (select distinct identity_key, customer_id from marts.fct_orders) using (identity_key)
        inner join raw_shop.customers as source using (customer_id)
        where source.last_name in (select unnest(?))
        """,
        [list(RFM_CUSTOMERS)],
    ).fetchall()
    yield "customers", {name: tuple(map(int, values)) for name, *values in customers}, RFM_CUSTOMERS
    total = warehouse.execute("select sum(reporting_amount) from marts.fct_sales_ledger").fetchone()
    yield "revenue in the ledger", int(total[0]), 464_158


# CDNOW: frequency, recency and age of 2,357 customers of a shop for music, as of 30 September 1997


def cdnow_orders(folder: Path) -> Iterator[Order]:
    """The orders of the CDNOW sample: number in the master file, number in the sample, day, CDs, dollars."""
    for line in (folder / "cdnow_sample.txt").read_text().splitlines():
        _, customer, day, _, dollars = line.split()
        yield Order(customer.lstrip("0"), f"{day[:4]}-{day[4:6]}-{day[6:]}", Decimal(dollars))


def weeks(days: int) -> Decimal:
    """Days in weeks, rounded as the summary is."""
    return (Decimal(days) / 7).quantize(Decimal("0.01"), ROUND_HALF_UP)


def compare_cdnow(warehouse: duckdb.DuckDBPyConnection, folder: Path) -> Iterator[tuple[str, object, object]]:
    """Every row of the published summary, and the totals of the whole sample."""
    rows = warehouse.execute("""
        select source.last_name, repeat_purchase_days, first_to_last_sale_days, age_days
        from marts.rpt_customer_lifetime_value as lifetime
        inner join (select distinct identity_key, customer_id from marts.fct_orders) using (identity_key)
        inner join raw_shop.customers as source using (customer_id)
    """).fetchall()
    with (folder / "cdnow_customers_summary.csv").open(newline="") as file:
        published = {
            row["ID"]: (int(row["frequency"]), Decimal(row["recency"]), Decimal(row["T"]))
            for row in csv.DictReader(file)
        }
    found = {name: (frequency, weeks(recency), weeks(age)) for name, frequency, recency, age in rows}
    yield "customers of the summary", len(found), 2_357
    yield "frequency, recency and age of every customer", found, published
    yield "repeat purchases", sum(row[0] for row in found.values()), 2_457
    yield "customers without one", sum(row[0] == 0 for row in found.values()), 1_411
    totals = warehouse.execute("select count(*), sum(net_sales_amount) from marts.fct_orders where is_sale").fetchone()
    yield "transactions and dollars of the sample", totals, (6_919, Decimal("244091.94"))


DATASETS = [
    Dataset(
        "RFM: rfm, a package for R",
        ("rfm_orders.csv",),
        "{as_of_date: 2006-12-31, rfm_scoring: quantile, rfm_segment_scheme: rfm_package}",
        rfm_orders,
        compare_rfm,
    ),
    Dataset(
        "Lifetime: the CDNOW sample",
        ("cdnow_sample.txt", "cdnow_customers_summary.csv"),
        "{as_of_date: 1997-09-30}",
        cdnow_orders,
        compare_cdnow,
    ),
]


def run(data_dir: Path, *command: str, **environment: str) -> str:
    """Run one of the project's own commands with a data folder of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SOURCES__", "DBT_"))}
    result = subprocess.run(
        command,
        cwd=ROOT,
        env=inherited
        | {
            "STOREHOUSE_DATA_DIR": str(data_dir),
            "STOREHOUSE_TARGET": "dev",
            "DBT_PROFILES_DIR": "profiles",
            "DBT_TARGET_PATH": str(data_dir / "target"),
            "DBT_LOG_PATH": str(data_dir / "logs"),
        }
        | environment,
        capture_output=True,
        text=True,
    )
    if result.returncode:
        raise Failure(f"✗ {shlex.join(command)} failed:\n{result.stdout}{result.stderr}")
    return result.stdout


def fill_shop(url: str, orders: list[Order]) -> None:
    """Replace what a shop holds by these orders: one line each of one product, at noon, in one store without tax."""
    customers = {name: number for number, name in enumerate(sorted({order.customer for order in orders}), 1)}
    noon = [f"{order.day} 12:00:00+00" for order in orders]
    opened = min(noon)
    connection = psycopg2.connect(url)
    with connection, connection.cursor() as cursor:
        cursor.execute("select schemaname || '.' || tablename from pg_tables where schemaname in ('shop', 'provider')")
        cursor.execute(f"truncate {', '.join(name for (name,) in cursor.fetchall())}")
        opening = (opened, opened)
        cursor.execute("insert into shop.stores values (1, 'Shop', 'DE', 'UTC', 'EUR', false, %s, %s)", opening)
        cursor.execute(
            """
            insert into shop.products
            values (1, 'goods', 'Goods', 'All', 'All', 'None', 1, 0, 'EUR', 1, 'active', %s, %s)
            """,
            opening,
        )
        execute_values(
            cursor,
            """
            insert into shop.customers (customer_id, last_name, marketing_opt_in, is_test, created_at, updated_at)
            values %s
            """,
            [(number, name, False, False, opened, opened) for name, number in customers.items()],
        )
        execute_values(
            cursor,
            """
            insert into shop.orders (
                order_id, order_number, store_id, customer_id, status, channel, currency, subtotal_amount,
                discount_amount, shipping_amount, tax_amount, total_amount, is_test, ordered_at, created_at, updated_at
            ) values %s
            """,
            [
                (
                    *(number, f"R{number}", 1, customers[order.customer], "delivered", "web", "EUR", order.amount),
                    *(0, 0, 0, order.amount, False, time, time, time),
                )
                for number, (order, time) in enumerate(zip(orders, noon, strict=True), 1)
            ],
        )
        execute_values(
            cursor,
            """
            insert into shop.order_items (
                order_item_id, order_id, product_id, product_name, quantity, unit_price, unit_cost, discount_amount,
                tax_amount, is_gift_card, created_at, updated_at
            ) values %s
            """,
            [
                (number, number, 1, "Goods", 1, order.amount, 0, 0, 0, False, time, time)
                for number, (order, time) in enumerate(zip(orders, noon, strict=True), 1)
            ],
        )
    connection.close()


def verify(dataset: Dataset, folder: Path, data_dir: Path) -> bool:
    """Load one data set, build, compare, and say so; whether everything is equal."""
    orders = list(dataset.orders(folder))
    print(f"{dataset.title}: {len(orders):,} orders", flush=True)
    python = sys.executable
    run(data_dir, python, "-m", "demo_shop", "start", "--size", "tiny", "--days", "1")
    try:
        lines = run(data_dir, python, "-m", "demo_shop", "env").splitlines()
        settings = dict(shlex.split(line.removeprefix("export "))[0].split("=", 1) for line in lines)
        fill_shop(settings.pop("DEMO_SHOP_ADMIN_URL").replace("+psycopg2", ""), orders)
        run(data_dir, python, "-m", "ingestion", "--source", "shop", "api", **settings)
    finally:
        run(data_dir, python, "-m", "demo_shop", "reset")
    run(
        data_dir,
        str(Path(python).parent / "dbt"),
        *("build", "--quiet", "--vars", dataset.variables),
        *("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"),
        *("--select", "+rpt_customer_rfm", "+rpt_customer_lifetime_value", "+fct_sales_ledger"),
    )
    all_equal = True
    with duckdb.connect(str(data_dir / "warehouse.duckdb"), read_only=True) as warehouse:
        for what, found, published in dataset.compare(warehouse, folder):
            equal = found == published
            all_equal &= equal
            print(f"  {'✓' if equal else '✗'} {what}")
            if not equal:
                print("\n".join(f"      {line}" for line in differences(found, published)))
    return all_equal


def differences(found: object, published: object) -> list[str]:
    """What differs, at most five rows of it."""
    if not isinstance(found, dict) or not isinstance(published, dict):
        return [f"found {found}, published {published}"]
    names = [name for name in found.keys() | published.keys() if found.get(name) != published.get(name)]
    shown = [f"{name}: found {found.get(name)}, published {published.get(name)}" for name in sorted(names)[:5]]
    return shown + ([f"and {len(names) - 5:,} more"] if len(names) > 5 else [])


def main() -> int:
    """Verify every data set; 0 when all numbers are equal."""
    parser = argparse.ArgumentParser(description="Compare the models with published numbers.")
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER, help="where the data sets are")
    folder = parser.parse_args().folder.resolve()
    try:
        for file in (file for dataset in DATASETS for file in dataset.files):
            if not (folder / file).is_file():
                raise Failure(WHERE.format(file=file, folder=folder))
        base = Path(os.environ.get("STOREHOUSE_DATA_DIR", "data")).resolve() / "reference"
        results = []
        for dataset in DATASETS:
            data_dir = base / dataset.files[0].partition("_")[0]
            (data_dir / "warehouse.duckdb").unlink(missing_ok=True)
            results.append(verify(dataset, folder, data_dir))
    except Failure as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
