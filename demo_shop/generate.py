"""Let days pass in the simulated shop: run the SQL of `sql/` for a range of days and write the files of those days.

The shop at any moment is a pure function of the seed, the size and the moment, so it does not matter in how many steps
the days are generated. Each step is one transaction, and files are written before it commits: what an interrupted step
leaves is overwritten by the next one.
"""

import hashlib
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path

import psycopg2

from demo_shop import files, postgres
from demo_shop.state import EPOCH, SIZES, ShopError, State

SQL = Path(__file__).parent / "sql"
STEPS = {
    "10_orders.sql": "orders",
    "11_lines.sql": "order lines",
    "12_money.sql": "payments and refunds",
    "13_web.sql": "visits and clicks",
    "14_stock.sql": "stock movements",
    "20_show_shop.sql": "tables of the shop",
    "21_show_providers.sql": "records of the other providers",
}
ORDERS_PER_STEP = 300_000

Report = Callable[[str], None]


def days_generated(connection: psycopg2.extensions.connection) -> int:
    """How many days exist; 0 when there is no shop yet."""
    with connection, connection.cursor() as cursor:
        cursor.execute("select to_regclass('sim.clock')")
        if cursor.fetchone() == (None,):
            return 0
        cursor.execute("select d1 from sim.clock")
        row = cursor.fetchone()
        return row[0] if row else 0


def create_world(connection: psycopg2.extensions.connection, state: State) -> None:
    """Create the schemas and everything that does not depend on time."""
    with connection, connection.cursor() as cursor:
        cursor.execute("select nspname from pg_namespace where nspname in ('sim', 'shop', 'provider')")
        if found := cursor.fetchone():
            raise ShopError(f"The database already has a schema {found[0]}: give the demo shop a database of its own.")
        cursor.execute((SQL / "01_schemas.sql").read_text())
        parameters = {"seed": state.seed, "size": state.size} | asdict(SIZES[state.size])
        cursor.execute(
            """
            insert into sim.params
            values (%(seed)s, %(size)s, %(base_days)s, %(orders)s, %(persons)s, %(products)s, %(suppliers)s,
                %(sessions)s, %(session_share)s)
            """,
            parameters,
        )
        cursor.execute("insert into sim.clock values (0, 0, %(epoch)s, %(epoch)s)", {"epoch": moment(0)})
        cursor.execute((SQL / "02_world.sql").read_text())
        cursor.execute((SQL / "03_hidden.sql").read_text())


def moment(day: int) -> str:
    """The moment when a day begins."""
    return f"{EPOCH + timedelta(days=day)} 00:00:00+00"


def advance(state: State, report: Report) -> None:
    """Generate the missing days up to `state.days`."""
    connection = postgres.connect(state)
    try:
        done = days_generated(connection)
        files.remove_after(done)
        with connection, connection.cursor() as cursor:
            cursor.execute("select to_regclass('sim.params')")
            is_new = cursor.fetchone() == (None,)
        if is_new:
            state.recipe = recipe()
            state.save()
            create_world(connection, state)
        elif done < state.days and state.recipe != recipe():
            state.days = done
            state.save()
            raise ShopError(
                "This shop was made by another version of the demo shop and cannot go on in time. "
                "Make a new one: `make demo-reset`, then `make demo`."
            )
        size = SIZES[state.size]
        days_per_step = max(30, ORDERS_PER_STEP * size.base_days // size.orders)
        while done < state.days:
            until = min(done + days_per_step, state.days)
            generate(connection, done, until, report)
            done = until
        # at every start: another shop on the same server may have changed them
        with connection, connection.cursor() as cursor:
            postgres.create_roles(cursor, state)
    finally:
        connection.close()


def generate(connection: psycopg2.extensions.connection, first: int, until: int, report: Report) -> None:
    """Generate the days `first` to `until` (excluded) in one transaction."""
    period = f"{EPOCH + timedelta(days=first)} to {EPOCH + timedelta(days=until - 1)}"
    started = datetime.now()
    with connection, connection.cursor() as cursor:
        cursor.execute("set local work_mem = '128MB'; set local jit = off")
        cursor.execute(
            "update sim.clock set d0 = %s, d1 = %s, t0 = %s, t1 = %s, set_at = clock_timestamp()",
            [first, until, moment(first), moment(until)],
        )
        for name, what in STEPS.items():
            report(f"{period}: {what}")
            cursor.execute((SQL / name).read_text())
        report(f"{period}: files")
        files.write(connection, first, until)
        cursor.execute((SQL / "30_forget.sql").read_text())
    report(f"{period}: done in {(datetime.now() - started).total_seconds():.1f} s")
    if until - first >= 30:
        tidy(connection)


def tidy(connection: psycopg2.extensions.connection) -> None:
    """Give the space of deleted rows back and let the planner know the new sizes."""
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute("vacuum analyze")
    finally:
        connection.autocommit = False


def recipe() -> str:
    """A fingerprint of the SQL: a shop can only go on with the SQL it began with."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(SQL.glob("*.sql")))).hexdigest()[:16]
