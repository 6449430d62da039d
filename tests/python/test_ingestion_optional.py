"""A shop that lacks a source: it is left out as long as nothing of it was ever loaded, and the models still build."""

from pathlib import Path

import pytest
from conftest import Workspace

FILES = ("file_manifest", "clickstream", "inventory_events", "supplier_prices")
BUCKET = "SOURCES__FILES__BUCKET_URL"
API = ("SOURCES__API__BASE_URL", "SOURCES__API__TOKEN")


@pytest.fixture(scope="module")
def without_files(warm_workspace: Workspace, tiny_shop: Workspace) -> tuple[Workspace, str]:
    """A tiny shop that was loaded without its files, and what their setting was."""
    # Empty and not missing: a shop of one's own may stand in .dlt/secrets.toml.
    bucket, tiny_shop.settings[BUCKET] = tiny_shop.settings[BUCKET], ""
    loaded = tiny_shop.ingest()
    assert "files: left out, sources.files.bucket_url is not set (SOURCES__FILES__BUCKET_URL)\n" in loaded.stdout
    return tiny_shop, bucket


def held(space: Workspace, dataset: str, tables: tuple[str, ...]) -> list[int]:
    """How many rows some tables have."""
    return [space.warehouse(f"select count(*) from {dataset}.{table}")[0][0] for table in tables]


def test_models_build_without_a_source(without_files: tuple[Workspace, str]) -> None:
    space, _ = without_files
    assert held(space, "raw_files", FILES) == [0, 0, 0, 0]
    space.dbt("build")
    assert space.warehouse("select count(*) > 0 from marts.fct_order_lines") == [(True,)]
    # An empty variable is what a secret that is not set becomes in many schedulers. Nothing is loaded for it again.
    loads = "select count(*) from raw_files._dlt_loads"
    before = space.warehouse(loads)
    again = space.ingest(**{BUCKET: ""})
    assert "files: left out" in again.stdout and space.warehouse(loads) == before


def test_asking_for_a_source_that_is_not_set_up_is_an_error(without_files: tuple[Workspace, str]) -> None:
    space, _ = without_files
    for asked in (["--source", "files"], ["--tables", "clickstream"]):
        result = space.ingest(*asked, check=False)
        assert result.returncode == 1 and result.stderr.count("\n") == 1
        assert "Missing setting: sources.files.bucket_url. Set it in the environment" in result.stderr


def test_half_a_connection_is_an_error(without_files: tuple[Workspace, str]) -> None:
    space, _ = without_files
    result = space.ingest("--tables", "payments", check=False, SOURCES__API__TOKEN="")
    assert result.returncode == 1 and result.stderr.startswith("Error: Missing setting: sources.api.token. ")


def test_a_source_that_was_loaded_before_is_not_left_out(without_files: tuple[Workspace, str]) -> None:
    space, bucket = without_files
    space.ingest("--source", "files", **{BUCKET: bucket})
    assert all(held(space, "raw_files", FILES))
    result = space.ingest(check=False)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert "Missing setting: sources.files.bucket_url" in result.stderr
    assert "The warehouse holds rows of files" in result.stderr
    assert "--source shop api stream" in result.stderr
    # The others were loaded, and what is held of it stays.
    assert "shop: read" in result.stdout and all(held(space, "raw_files", FILES))
    space.ingest("--source", "shop", "api", "stream")
    space.ingest("--tables", "suppliers")


def test_the_settings_of_a_source_are_named_together(without_files: tuple[Workspace, str]) -> None:
    space, _ = without_files
    result = space.ingest("--source", "api", check=False, **dict.fromkeys(API, ""))
    assert result.returncode == 1
    assert "Missing settings: sources.api.base_url, sources.api.token. Set them in" in result.stderr


def test_an_api_and_files_that_come_later_are_loaded_from_their_beginning(
    without_files: tuple[Workspace, str], tmp_path: Path
) -> None:
    space, bucket = without_files
    tables = ("payments", "refunds", "fx_rates", "campaign_spend", "sessions")
    space = Workspace(tmp_path, space.settings, space.warm)
    (tmp_path / "empty").mkdir()
    first = space.ingest(**dict.fromkeys(API, ""), **{BUCKET: str(tmp_path / "empty")})
    assert "api: left out, sources.api.base_url and sources.api.token are not set" in first.stdout
    assert held(space, "raw_api", tables) == [0] * 5
    # A folder without files leaves tables without rows as well.
    assert held(space, "raw_files", FILES) == [0] * 4
    space.ingest(**{BUCKET: bucket})
    assert all(held(space, "raw_api", tables)) and all(held(space, "raw_files", FILES))
    before = held(space, "raw_api", tables)
    space.ingest(**{BUCKET: bucket})
    assert held(space, "raw_api", tables) == before


def test_a_kafka_that_is_away_does_not_stop_the_sources_after_it(
    without_files: tuple[Workspace, str], tmp_path: Path
) -> None:
    space, _ = without_files
    space = Workspace(tmp_path, space.settings, space.warm)
    # Nobody listens on port 9; and where the client for Kafka is not installed, it fails as well.
    kafka = {"SOURCES__STREAM__BOOTSTRAP_SERVERS": "127.0.0.1:9"}
    result = space.ingest("--source", "stream", "shop", check=False, **kafka)
    assert result.returncode == 1 and result.stderr.count("\n") == 1 and "Kafka" in result.stderr
    assert "shop: loaded" in result.stdout
    assert space.warehouse("select count(*) > 0 from raw_shop.orders") == [(True,)]
