"""The offline equivalents of dbt_utils, dbt_expectations and dbt_date, and the step that installs them."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import duckdb
import pytest
import yaml
from conftest import BIN, ROOT

EXAMPLES = ROOT / "tests" / "offline_packages"
OFFLINE = ROOT / "offline_packages"
INSTALLED = ROOT / "dbt_packages"
# Where the hub's own packages are installed, they must give the same answers.
PACKAGES = [OFFLINE] if (INSTALLED / "dbt_utils").is_symlink() else [OFFLINE, INSTALLED]

MACRO_MODELS = {
    "surrogate_key": "select {{ dbt_utils.generate_surrogate_key(['1', 'null', \"'b'\"]) }} as surrogate_key",
    "spine": "select * from ({{ dbt_utils.date_spine('day', \"date '2024-02-28'\", \"date '2024-03-02'\") }}) as days",
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


def test_nothing_is_packaged_that_nobody_uses() -> None:
    callers = [OFFLINE, *(ROOT / folder for folder in ("models", "macros", "seeds", "snapshots", "tests/generic"))]
    texts = [path.read_text() for folder in callers for path in folder.rglob("*") if path.suffix in (".sql", ".yml")]
    packaged = {f"{path.parts[-4]}.{path.stem}" for path in OFFLINE.glob("*/macros/*/*.sql")}
    assert {name for name in packaged if not any(f"{name}:" in text or f"{name}(" in text for text in texts)} == set()


def test_macros_give_what_the_originals_give(examples: Path) -> None:
    with duckdb.connect(str(examples / "package_examples.duckdb"), read_only=True) as connection:

        def rows(model: str) -> list[tuple]:
            return connection.sql(f"from {model}").fetchall()

        key = hashlib.md5(b"1-_dbt_utils_surrogate_key_null_-b").hexdigest()
        assert rows("surrogate_key") == [(key,)]
        # The end date itself is not part of the spine.
        assert sorted(rows("spine")) == [(datetime(2024, 2, 28),), (datetime(2024, 2, 29),), (datetime(2024, 3, 1),)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What the set-up step needs of the project, with nothing installed yet but Python's packages."""
    copy = tmp_path / "storehouse"
    copy.mkdir()
    for name in ("scripts", "offline_packages"):
        shutil.copytree(ROOT / name, copy / name)
    for name in ("dbt_project.yml", "packages.yml", "package-lock.yml"):
        shutil.copy(ROOT / name, copy)
    (copy / ".venv").symlink_to(BIN.parent, target_is_directory=True)
    return copy


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[tuple[str, set[str]]]:
    """A package hub on loopback that serves the offline packages, and the tarballs it has lost."""
    site = tmp_path / "hub"
    lost: set[str] = set()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if Path(self.path).name in lost:
                self.send_error(404)
            else:
                super().do_GET()

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=site)) as server:
        url = f"http://127.0.0.1:{server.server_port}/"
        locked = yaml.safe_load((ROOT / "package-lock.yml").read_text())["packages"]
        index = site / "api" / "v1" / "index.json"
        index.parent.mkdir(parents=True)
        index.write_text(json.dumps([entry["package"] for entry in locked]))
        for entry in locked:
            tarball = f"{entry['name']}.tar.gz"
            with tarfile.open(site / tarball, "w:gz") as archive:
                archive.add(OFFLINE / entry["name"], arcname=f"{entry['name']}-{entry['version']}")
            version = {"name": entry["name"], "packages": [], "downloads": {"tarball": url + tarball}}
            page = index.parent / f"{entry['package']}.json"
            page.parent.mkdir(exist_ok=True)
            page.write_text(json.dumps({"name": entry["name"], "versions": {entry["version"]: version}}))
        Thread(target=server.serve_forever, daemon=True).start()
        yield url, lost
        server.shutdown()


def install(checkout: Path, hub_url: str = "http://127.0.0.1:9/", **env: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up step; unless told otherwise, nobody answers for the hub."""
    outer = {key: value for key, value in os.environ.items() if not key.startswith(("DBT_", "STOREHOUSE_"))}
    return subprocess.run(
        [checkout / "scripts" / "dbt_packages.sh"],
        env=outer | {"DBT_PACKAGE_HUB_URL": hub_url} | env,
        capture_output=True,
        text=True,
        timeout=120,
    )


def installed(checkout: Path) -> dict[str, bool]:
    """The installed packages, and whether each is a link to the offline one."""
    return {path.name: path.is_symlink() for path in (checkout / "dbt_packages").iterdir() if path.is_dir()}


OFFLINE_ONES = {"dbt_utils": True, "dbt_expectations": True, "dbt_date": True}
HUB_ONES = dict.fromkeys(OFFLINE_ONES, False)


def test_without_a_hub_one_line_says_so_and_the_offline_packages_are_used(checkout: Path) -> None:
    result = install(checkout)
    assert (result.returncode, result.stderr) == (0, "")
    assert len(result.stdout.splitlines()) == 1
    assert "The dbt package hub cannot be reached" in result.stdout
    assert installed(checkout) == OFFLINE_ONES

    again = install(checkout)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_storehouse_offline_does_not_ask_the_hub(checkout: Path, hub: tuple[str, set[str]]) -> None:
    result = install(checkout, hub[0], STOREHOUSE_OFFLINE="1")
    assert "STOREHOUSE_OFFLINE is set" in result.stdout
    assert installed(checkout) == OFFLINE_ONES


def test_with_a_hub_its_packages_are_used_and_the_lock_stays(checkout: Path, hub: tuple[str, set[str]]) -> None:
    lock = (checkout / "package-lock.yml").read_bytes()
    result = install(checkout, hub[0])
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(checkout) == HUB_ONES
    assert (checkout / "package-lock.yml").read_bytes() == lock


def test_a_half_finished_install_heals(checkout: Path, hub: tuple[str, set[str]]) -> None:
    url, lost = hub
    lost.add("dbt_expectations.tar.gz")
    result = install(checkout, url)
    assert (result.returncode, result.stderr) == (0, "")
    assert installed(checkout) == OFFLINE_ONES

    # As if the power had failed in the middle of an install from the hub.
    shutil.rmtree(checkout / "dbt_packages")
    (checkout / "dbt_packages" / "dbt_utils").mkdir(parents=True)
    lost.clear()
    assert install(checkout, url).returncode == 0
    assert installed(checkout) == HUB_ONES


def test_a_mistake_in_packages_yml_is_no_reason_to_fall_back(checkout: Path, hub: tuple[str, set[str]]) -> None:
    packages = checkout / "packages.yml"
    packages.write_text(packages.read_text().replace("dbt_utils", "dbt_utilities"))
    result = install(checkout, hub[0])
    assert result.returncode != 0
    assert "dbt-labs/dbt_utilities" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
