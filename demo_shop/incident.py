"""The story every data team knows, in three minutes: `make demo-incident`.

On Friday night the payment provider renames a field. Everything is real: a shop, its API, the pipeline, its tests, its
alerts and its readers. It plays in the data folder of STOREHOUSE_DATA_DIR, and starts a tiny shop there unless there is
one.
"""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
from rich.console import Console

from operations.publish import PUBLISHED, current
from operations.settings import DATA_DIR, ROOT, WAREHOUSE

MODEL = Path("models/staging/api/base_api__payments.sql")
OLD, MENDED = "try_cast('amount', ", "try_cast('coalesce(amount, amount_value)', "
DAYS = 4
console = Console(highlight=False, soft_wrap=True)


def tell(text: str) -> None:
    """A sentence of the story."""
    console.print(f"\n[bold cyan]▸ {text}[/bold cyan]")


def run(*command: str, fails: bool = False) -> str:
    """A command of the project; return what it printed. The story ends here when it does not end as it should."""
    console.print(f"  [dim]$ {shlex.join(command)}[/dim]")
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True)
    if bool(done.returncode) != fails:
        wanted = "failed" if fails else "passed"
        sys.exit(f"{done.stdout}{done.stderr}\n✗ The story stops: this command should have {wanted}.")
    return done.stdout


def payments(file: Path, since: str) -> dict[str, str]:
    """What the marts in a file say was paid on each day since then."""
    with duckdb.connect(str(file), read_only=True) as connection:
        rows = connection.execute(
            """
            select cast(payment_date as varchar), sum(reporting_signed_amount)
            from marts.fct_payments where payment_date > cast(? as date) group by 1 order by 1
            """,
            [since],
        ).fetchall()
    return {day: f"EUR {amount:,.2f}" for day, amount in rows}


def newest_day() -> str:
    """The newest day that readers can see payments of."""
    with duckdb.connect(str(PUBLISHED), read_only=True) as connection:
        return connection.execute("select cast(max(payment_date) as varchar) from marts.fct_payments").fetchone()[0]


def show(whose: str, paid: dict[str, str]) -> None:
    """What somebody sees of the days of the story."""
    console.print(
        f"  {whose}: " + ("; ".join(f"{day} {amount}" for day, amount in paid.items()) or "[red]nothing[/red]")
    )


def mended_project() -> Path:
    """A copy of the project in which the one line is mended, so that yours stays as it is."""
    project = DATA_DIR / "mended_project"
    shutil.rmtree(project, ignore_errors=True)
    shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(".*", "data", "target", "logs"))
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
    os.environ |= {"DBT_TARGET_PATH": str(DATA_DIR / "target"), "DBT_LOG_PATH": str(DATA_DIR / "logs")}
    os.environ |= {"DBT_PROFILES_DIR": str(ROOT / "profiles")}
    run("demo_shop", "start", "--size", "tiny")
    for line in run("demo_shop", "env").splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        # Whatever shop you have set up: this story plays in its own.
        if name.startswith("SOURCES__") or name not in os.environ:
            os.environ[name] = shlex.split(value)[0]
    if current() is None:
        tell("Friday. The shop is loaded, built, tested and published.")
        run("ingestion")
        run("operations", "build")
        run("operations", "publish")
    friday = newest_day()

    tell(
        f"Friday night, {friday}: the payment provider calls its field `amount` now `amount_value`. Nobody says a word."
    )
    run("demo_shop", "incident", "rename-amount")
    run("demo_shop", "advance", "--days", str(DAYS))

    tell("The weekend's loads go on as ever: raw takes what the source says, also what is new.")
    run("operations", "run-locked", "--for", "ingest", "--", sys.executable, "-m", "ingestion")

    tell("The build trusts no payment without an amount, its tests fail, and an alert says why:")
    alert = run("operations", "build", fails=True).partition("\nStorehouse: ")[2].splitlines()
    for line in alert[1:]:
        # What the shop should order is told as well, but is not part of this story.
        if line.startswith(("✗", "!", "  ")):
            console.print(f"  {line}", markup=False)
    run("operations", "publish", fails=True)

    tell("Monday morning. This is what a pipeline without a border would have shown, and what our readers see:")
    show("The unpublished build", payments(WAREHOUSE, friday))
    console.print(f"  The readers: payments until {newest_day()}, all of them right, and no wrong day.")

    tell("Somebody mends one line of staging, and replays. Nothing has to be asked for again:")
    os.environ["DBT_PROJECT_DIR"] = str(mended_project())
    run("operations", "build", "--", "--full-refresh")
    del os.environ["DBT_PROJECT_DIR"]
    run("operations", "publish")
    show("The readers", payments(PUBLISHED, friday))

    tell("The provider goes back to `amount`; what it sent since Friday is read again, and no mend is needed any more.")
    run("demo_shop", "incident", "rename-amount", "--undo")
    run("ingestion", "--source", "api", "--from", friday)
    console.print("\n[green]✓ Nothing wrong was published, nothing was lost.[/green] Next: make run")


if __name__ == "__main__":
    main()
