"""Set-up: a machine that lacks something gets one clear line, and the next run heals."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

NOT_IN_A_CHECKOUT = (".git", ".venv", "data", "dbt_packages", "target", "logs", ".env", "secrets.toml", "__pycache__")

TARGETS = ["run", "test", "setup", "demo", "demo-stop", "demo-advance", "ingest", "build"]
TARGETS += ["docs", "docs-serve", "lint", "fix", "clean"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project as a stranger gets it: nothing installed, nothing run."""
    copy = tmp_path_factory.mktemp("checkout") / "storehouse"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*NOT_IN_A_CHECKOUT))
    return copy


def make(checkout: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run make there, with an environment that knows nothing of this repository."""
    outer = {key: value for key, value in os.environ.items() if not key.startswith(("DBT_", "STOREHOUSE_", "MAKE"))}
    return subprocess.run(
        ["make", *arguments], cwd=checkout, env=outer | env, capture_output=True, text=True, timeout=600
    )


def test_make_alone_lists_the_targets(checkout: Path) -> None:
    result = make(checkout)
    assert result.returncode == 0
    for target in TARGETS:
        assert f"{target} " in result.stdout.replace("\x1b[0m", " ")
    assert not (checkout / ".venv").exists()


def test_an_old_python_is_named(checkout: Path, tmp_path: Path) -> None:
    old_python = tmp_path / "python3.9"
    old_python.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old_python.chmod(0o755)
    result = make(checkout, "setup", PYTHON=str(old_python))
    assert result.returncode != 0
    assert "Python 3.9.2 is too old: Storehouse needs Python 3.11 or newer" in result.stderr


def test_a_data_folder_in_the_repository_is_not_copied_with_the_project(checkout: Path) -> None:
    copied = checkout / "runtime/incident/mended_project"
    (checkout / "runtime/incident").mkdir(parents=True)
    (checkout / "runtime/warehouse.duckdb").touch()
    result = subprocess.run(
        [sys.executable, "-c", "from demo_shop.incident import mended_project; mended_project()"],
        cwd=checkout,
        env=os.environ | {"STOREHOUSE_DATA_DIR": "runtime/incident"},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert result.returncode == 0, result.stderr[-500:]
    assert (copied / "dbt_project.yml").exists() and not (copied / "runtime").exists()
    shutil.rmtree(checkout / "runtime")


def test_a_missing_package_index_is_named_and_the_next_run_heals(checkout: Path) -> None:
    # Nobody listens on port 9.
    unreachable = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0", "PIP_NO_CACHE_DIR": "1"}
    result = make(checkout, "setup", **unreachable, PIP_FIND_LINKS="")
    assert result.returncode != 0
    assert "The package index could not be reached" in result.stderr
    assert "Traceback" not in result.stderr

    result = make(checkout, "setup", STOREHOUSE_OFFLINE="1", UV_COMPILE_BYTECODE="false")
    assert result.returncode == 0, result.stderr
    dbt = subprocess.run([checkout / ".venv/bin/dbt", "--quiet", "parse"], cwd=checkout, capture_output=True, text=True)
    assert dbt.returncode == 0, dbt.stdout
