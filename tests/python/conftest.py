"""Fixtures for the end-to-end tests: a workspace is a data folder of its own with its own shop and warehouse."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import duckdb
import psycopg2
import pytest
from playwright.sync_api import Browser, sync_playwright
from warm import Warm

ROOT = Path(__file__).parents[2]
# Where Spark and its libraries could be had: make spark-setup
JARS = Path(ROOT, os.environ.get("STOREHOUSE_DATA_DIR", "data"), "warehouses", "jars")
JAVA = which("java", path=f"{os.environ['JAVA_HOME']}/bin" if "JAVA_HOME" in os.environ else None)
collect_ignore = [] if find_spec("pyspark") and JAVA and any(JARS.glob("*.jar")) else ["test_spark.py"]
# The files that take longest, to begin with: one that begins last runs on when the others are done.
LONG = tuple(
    f"test_{name}"
    for name in (
        *("spark", "operations", "incremental", "pipeline", "warehouses", "reference", "setup", "cdc"),
        *("ingestion", "ingestion_chaos", "ingestion_drift", "kafka", "offline_packages"),
    )
)
BIN = Path(sys.executable).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@dataclass
class Workspace:
    """A data folder, and the project's own commands run against it from the repository root."""

    data_dir: Path
    settings: dict[str, str] = field(default_factory=dict)
    warm: Warm | None = None

    @property
    def env(self) -> dict[str, str]:
        """The environment of every command: this data folder, and the shop's connections once it runs."""
        # A developer's own connections must not leak into the tests.
        outer = {key: value for key, value in os.environ.items() if not key.startswith(("SOURCES__", "DBT_", "DEMO_"))}
        return outer | {
            "STOREHOUSE_DATA_DIR": str(self.data_dir),
            "DBT_PROFILES_DIR": str(ROOT / "profiles"),
            "DBT_TARGET_PATH": str(self.data_dir / "target"),
            "DBT_LOG_PATH": str(self.data_dir / "logs"),
            "COLUMNS": "200",
            **self.settings,
        }

    def run(self, *command: str, check: bool = True, **env: str) -> subprocess.CompletedProcess[str]:
        """Run a command, capture what it prints, and fail the test with that text when it fails unexpectedly."""
        env = self.env | env
        running = self.warm and self.warm.start(command, env)
        result = (
            running.wait()
            if running
            else subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
        )
        if check and result.returncode:
            pytest.fail(f"{shlex.join(command)} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}")
        return result

    def demo(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """Run `python -m demo_shop ...`."""
        return self.run(sys.executable, "-m", "demo_shop", *arguments, **options)

    def ingest(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """Run `python -m ingestion ...`."""
        return self.run(sys.executable, "-m", "ingestion", *arguments, **options)

    def warehouses(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """Run `python -m warehouses ...`."""
        return self.run(sys.executable, "-m", "warehouses", *arguments, **options)

    def dbt(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """Run `dbt ...`."""
        return self.run(str(BIN / "dbt"), *arguments, **options)

    def connect_shop(self) -> None:
        """Take over the connections that the running shop prints (`python -m demo_shop env`)."""
        self.take_over(self.demo("env").stdout)

    def connect_warehouse(self, name: str) -> None:
        """Take over the connection that a started warehouse prints (`python -m warehouses env ...`)."""
        self.take_over(self.warehouses("env", name).stdout)

    def take_over(self, exports: str) -> None:
        """Set the variables of lines like `export NAME='value'`."""
        for line in exports.splitlines():
            key, _, value = line.removeprefix("export ").partition("=")
            self.settings[key] = shlex.split(value)[0]

    def warehouse(self, sql: str) -> list[tuple]:
        """Query the warehouse and return its rows."""
        with duckdb.connect(str(self.data_dir / "warehouse.duckdb"), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql).fetchall()

    def shop(self, sql: str) -> list[tuple]:
        """Run SQL in the shop's Postgres as its owner and return the rows, if there are any."""
        url = self.settings["DEMO_SHOP_ADMIN_URL"].replace("postgresql+psycopg2://", "postgresql://")
        connection = psycopg2.connect(url, options="-c timezone=UTC")
        try:
            with connection, connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """An empty workspace; whatever shop was started in it is stopped at the end."""
    space = Workspace(tmp_path_factory.mktemp("storehouse") / "data")
    yield space
    if space.warm:
        space.warm.stop()
    if (space.data_dir / "demo_shop").exists():
        space.demo("stop")


@pytest.fixture(scope="module")
def warm_workspace(workspace: Workspace) -> Workspace:
    """The same, for tests that run dozens of commands: these start without importing anything anew."""
    workspace.warm = Warm(ROOT)
    return workspace


@pytest.fixture(scope="module")
def tiny_shop(workspace: Workspace) -> Workspace:
    """A workspace whose tiny demo shop is running and connected; nothing is loaded yet."""
    workspace.demo("start", "--size", "tiny")
    workspace.connect_shop()
    return workspace


@pytest.fixture(scope="module")
def pipeline(warm_workspace: Workspace, tiny_shop: Workspace) -> Workspace:
    """A tiny shop, loaded and built once: what `make run` leaves behind."""
    tiny_shop.ingest()
    tiny_shop.dbt("build")
    return tiny_shop


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser without a window."""
    browser_path = subprocess.run([ROOT / "scripts/browser.sh"], capture_output=True, text=True, check=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=browser_path.stdout.strip(),
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()
