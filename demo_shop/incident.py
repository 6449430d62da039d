"""The story every data team knows, in three minutes: `make demo-incident`.

On Friday night the payment provider renames a field. Everything is real: a shop, its API, the pipeline, its tests, its
alerts and its readers. It plays in the data folder of STOREHOUSE_DATA_DIR, and starts a shop there unless there is one.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table

from demo_shop.state import load_state
from operations.publish import PUBLISHED, current
from operations.settings import DATA_DIR, ROOT, WAREHOUSE

MODEL = Path("models/staging/api/base_api__payments.sql")
OLD, MENDED = "try_cast('amount', ", "try_cast('coalesce(amount, amount_value)', "
# Enough orders a day that no sales at all cannot be chance, and a last day that is a Friday
SHOP = ("--size", "small", "--days", "110")
DAYS = 3
console = Console(highlight=False, soft_wrap=True)


def tell(text: str) -> None:
    """A sentence of the story."""
    console.print(f"\n[bold cyan]▸ {text}[/bold cyan]")


def run(*command: str, fails: bool = False) -> str:
    """A command of the project; return what it printed. The story ends here when it does not end as it should."""
    console.print(f"  [dim]$ {shlex.join(command)}[/dim]")
    line = [sys.executable, "-m", "demo_shop", *command[1:]] if command[0] == "demo_shop" else command
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True)
    if bool(done.returncode) != fails:
        wanted = "failed" if fails else "passed"
        sys.exit(f"{done.stdout}{done.stderr}\n✗ The story stops: this command should have {wanted}.")
    return done.stdout


def connect() -> None:
    """Point everything at the shop of this story, whatever shop you have set up."""
    env = [sys.executable, "-m", "demo_shop", "env"]
    for line in subprocess.run(env, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if name.startswith("SOURCES__") or name not in os.environ:
            os.environ[name] = shlex.split(value)[0]


def payments(file: Path, since: date) -> list[str]:
    """What the marts in a file say was paid on each day since then, as far as they go."""
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(
            """
            select date_day, coalesce(sum(reporting_signed_amount), 0)
            from marts.agg_daily_sales left join marts.fct_payments on date_day = payment_date
            where date_day > $1 group by 1
            """,
            [since],
        ).fetchall()
    paid = {day: f"{amount:,.2f}" for day, amount in rows}
    return [paid.get(since + timedelta(days=day), "not yet") for day in range(1, DAYS + 1)]


def show(since: date, **paid: list[str]) -> None:
    """What somebody sees of the days of the story."""
    table = Table(box=None, pad_edge=False, padding=(0, 4, 0, 0))
    table.add_column("  EUR paid on")
    for day in range(1, DAYS + 1):
        table.add_column(f"{since + timedelta(days=day):%A}", justify="right")
    for whose, amounts in paid.items():
        table.add_row(f"  {whose.replace('_', ' ')}", *amounts)
    console.print(table)


def not_of_the_project(folder: str, names: list[str]) -> set[str]:
    """What of a folder is no part of the project: runtime files, wherever in the repository they are."""
    runtime = {name for name in names if Path(folder, name).resolve() in (DATA_DIR, DATA_DIR.parent)}
    return runtime | shutil.ignore_patterns(".*", "data", "target", "logs", "python")(folder, names)


def mended_project() -> Path:
    """A copy of the project in which the one line is mended, so that yours stays as it is."""
    project = DATA_DIR / "mended_project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(ROOT, project, ignore=not_of_the_project)
    shutil.copy(ROOT / ".dbtignore", project)
    model = project / MODEL
    sql = model.read_text()
    if sql.count(OLD) != 1:
        sys.exit(f"✗ The story stops: {MODEL} has no line with {OLD} any more.")
    model.write_text(sql.replace(OLD, MENDED))
    console.print(f"  {MODEL}\n  [red]- {{{{ {OLD}...[/red]\n  [green]+ {{{{ {MENDED}...[/green]")
    return project


def main() -> None:
    """Play the story."""
    started = time.monotonic()
    os.environ |= {"DBT_TARGET_PATH": str(DATA_DIR / "target"), "DBT_LOG_PATH": str(DATA_DIR / "logs")}
    os.environ |= {"DBT_PROFILES_DIR": str(ROOT / "profiles"), "STOREHOUSE_DATA_DIR": str(DATA_DIR)}
    run("demo_shop", "start", *SHOP)
    connect()
    friday = load_state().today
    tell(f"Friday, {friday}. The shop is loaded, built, tested and published.")
    if current() is None:
        run("make", "ingest")
        run("make", "build", "publish")

    tell("Friday night. The payment provider calls its field `amount` now `amount_value`. Nobody says a word.")
    run("demo_shop", "incident", "rename-amount")
    run("demo_shop", "advance", "--days", str(DAYS))

    tell("The loads of the weekend go on as ever: raw takes what the source says, also what is new.")
    run("make", "ingest")

    tell("The build trusts no payment without an amount. Its tests fail, an alert says why, and nothing is published:")
    alert = run("make", "build", fails=True).partition("\nStorehouse: ")[2].splitlines()
    for line in alert[1:]:
        # What the shop should order is told as well, but is not part of this story.
        if line.startswith(("✗", "!", "  ")):
            console.print(f"  {line if len(line) < 160 else line[:160] + ' …'}", markup=False)
    run("make", "publish", fails=True)

    tell("Monday. This is what a pipeline without a border would have shown the board, and what our readers see:")
    show(friday, the_unpublished_build=payments(WAREHOUSE, friday), the_readers=payments(PUBLISHED, friday))

    tell("Somebody mends one line of staging, and replays. Nothing has to be asked for again:")
    os.environ["DBT_PROJECT_DIR"] = str(mended_project())
    run("make", "replay", "publish")
    del os.environ["DBT_PROJECT_DIR"]
    show(friday, the_readers=payments(PUBLISHED, friday))

    tell("The provider goes back to `amount`; what it sent since Friday is read again, and no mend is needed any more.")
    run("demo_shop", "incident", "rename-amount", "--undo")
    run("make", "ingest", f"FROM={friday}")
    took = timedelta(seconds=round(time.monotonic() - started))
    console.print(f"\n[green]✓ Nothing wrong was published, nothing was lost.[/green] It took {took}. Next: make run")


if __name__ == "__main__":
    main()
