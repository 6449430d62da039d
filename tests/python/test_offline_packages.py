"""The offline equivalents of dbt_utils, dbt_expectations and dbt_date, and the step that installs them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from conftest import BIN, ROOT

EXAMPLES = ROOT / "tests" / "offline_packages"
OFFLINE = ROOT / "offline_packages"
INSTALLED = ROOT / "dbt_packages"
# Where the hub's own packages are installed, they must give the same answers.
PACKAGES = [OFFLINE] if (INSTALLED / "dbt_utils").is_symlink() else [OFFLINE, INSTALLED]

MACRO_MODELS = {
    "surrogate_key": "select {{ dbt_utils.generate_surrogate_key(['1', 'null', \"'b'\"]) }} as surrogate_key",
    "spine": "select * from ({{ dbt_utils.date_spine('day', \"date '2024-02-28'\", \"date '2024-03-02'\") }}) as days",
    "divided": "select {{ dbt_utils.safe_divide('9', '2') }} as half, {{ dbt_utils.safe_divide('9', '0') }} as none_",
}


@pytest.fixture(scope="module", params=PACKAGES, ids=lambda folder: folder.name)
def examples(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example project, built once with these packages."""
    project = tmp_path_factory.mktemp("packages") / "project"
    shutil.copytree(EXAMPLES, project)
    for name in ("packages.yml", "package-lock.yml"):
        shutil.copy(ROOT / name, project)
    (project / "dbt_packages").mkdir()
    for package in request.param.iterdir():
        if package.is_dir():
            (project / "dbt_packages" / package.name).symlink_to(package, target_is_directory=True)
    (project / "models").mkdir()
    for name, sql in MACRO_MODELS.items():
        (project / "models" / f"{name}.sql").write_text(sql)

    env = {key: value for key, value in os.environ.items() if not key.startswith("DBT_")}
    result = subprocess.run(
        [BIN / "dbt", "build", "--profiles-dir", "."], cwd=project, env=env, capture_output=True, text=True, timeout=300
    )
    assert (project / "target" / "run_results.json").exists(), result.stdout
    return project


def test_every_test_passes_and_fails_when_it_should(examples: Path) -> None:
    results = json.loads((examples / "target" / "run_results.json").read_text())["results"]
    wrong = []
    for result in results:
        resource, _, name, *_ = result["unique_id"].split(".")
        expected = {"passes": "pass", "fails": "fail"}[name.split("__")[0]] if resource == "test" else "success"
        if result["status"] != expected:
            wrong.append(f"{name}: {result['status']}, not {expected}. {result['message']}")
    assert results
    assert not wrong


def test_every_packaged_test_has_examples() -> None:
    named = set(re.findall(r"name: ((?:passes|fails)__\w+)__\d+", (EXAMPLES / "seeds" / "examples.yml").read_text()))
    packaged = {path.stem for path in OFFLINE.glob("*/macros/generic_tests/*.sql")}
    assert {f"{verdict}__{name}" for verdict in ("passes", "fails") for name in packaged} == named


def test_macros_give_what_the_originals_give(examples: Path) -> None:
    with duckdb.connect(str(examples / "package_examples.duckdb"), read_only=True) as connection:

        def rows(model: str) -> list[tuple]:
            return connection.sql(f"from {model}").fetchall()

        key = hashlib.md5(b"1-_dbt_utils_surrogate_key_null_-b").hexdigest()
        assert rows("surrogate_key") == [(key,)]
        # The end date itself is not part of the spine.
        assert sorted(rows("spine")) == [(datetime(2024, 2, 28),), (datetime(2024, 2, 29),), (datetime(2024, 3, 1),)]
        assert rows("divided") == [(4.5, None)]
