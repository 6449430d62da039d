"""What surrounds the pipeline, on a tiny shop that is loaded, built and published as `make run` does it."""

import sys
from collections.abc import Iterator

import pytest
from conftest import Workspace

RUN = "20260101T000000Z-test01"


def operations(space: Workspace, *arguments: str, **options):
    """Run `python -m operations ...`."""
    return space.run(sys.executable, "-m", "operations", *arguments, **options)


def run(space: Workspace, run_id: str) -> None:
    """Load, build and publish under one run id."""
    environment = {"STOREHOUSE_RUN_ID": run_id}
    operations(space, "run-locked", "--for", "ingest", "--", sys.executable, "-m", "ingestion", **environment)
    operations(space, "build", **environment)
    operations(space, "publish", **environment)


@pytest.fixture(scope="module")
def published(tiny_shop: Workspace) -> Iterator[Workspace]:
    """A tiny shop after its first run."""
    run(tiny_shop, RUN)
    operations(tiny_shop, "record")
    yield tiny_shop


def test_a_run_is_one_row_of_the_history_from_load_to_publish(published: Workspace) -> None:
    [(run_id, outcome, steps, state, models, passed, failed)] = published.warehouse(
        """
        select run_id, outcome, steps, published_state, models_built, tests_passed, tests_failed
        from marts.ops_run_history
        """
    )
    assert (run_id, outcome, steps, failed) == (RUN, "succeeded", 3, 0)
    assert models > 50 and passed > 300
    assert state in operations(published, "states").stdout
    assert published.warehouse("select distinct run_id from raw_ops.dbt_invocations") == [(RUN,)]


def test_every_test_model_and_source_check_is_kept(published: Workspace) -> None:
    scores = dict(published.warehouse("select quality_area, score_pct from marts.ops_quality_score_daily"))
    assert set(scores) == {"completeness", "uniqueness", "validity", "timeliness", "consistency", "overall"}
    assert all(0 < score <= 100 for score in scores.values())
    assert published.warehouse("select count(*) from marts.ops_model_timings where seconds < 0") == [(0,)]
    late = published.warehouse("select source_table, is_late from marts.ops_freshness order by 1")
    assert late == [
        ("api.payments", False),
        ("api.sessions", False),
        ("files.clickstream", False),
        ("shop.orders", False),
    ]


def test_a_failed_step_is_kept_with_its_reason_even_when_nothing_could_be_loaded(published: Workspace) -> None:
    failed = operations(
        published,
        *("run-locked", "--for", "ingest", "--", sys.executable, "-m", "ingestion", "--source", "files"),
        check=False,
        STOREHOUSE_RUN_ID="20260102T000000Z-test02",
        SOURCES__FILES__BUCKET_URL="/nowhere/to/be/found",
    )
    assert failed.returncode == 1
    operations(published, "record")
    operations(published, "record")
    [(outcome, step, failure)] = published.warehouse(
        "select outcome, failed_step, failure from marts.ops_run_history where run_id = '20260102T000000Z-test02'"
    )
    assert (outcome, step) == ("failed", "ingest")
    assert "/nowhere/to/be/found" in failure
    assert not list((published.data_dir / "runs").iterdir())
