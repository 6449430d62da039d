"""The docs site, opened in a real browser: people read the numbers' meaning there."""

import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import Workspace
from playwright.sync_api import Browser, Page

MODEL = "fct_orders"


class QuietHandler(SimpleHTTPRequestHandler):
    """A file server that does not write a line to the terminal for every request."""

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def target(tiny_shop: Workspace) -> Path:
    """The folder with the generated site; it needs the tables, not their rows."""
    tiny_shop.ingest()
    tiny_shop.dbt("--quiet", "build", "--empty", "--resource-type", "seed", "snapshot", "model")
    tiny_shop.dbt("--quiet", "docs", "generate", "--static")
    return tiny_shop.data_dir / "target"


@pytest.fixture(scope="module")
def page(target: Path, browser: Browser) -> Iterator[Page]:
    """A browser page on the served site."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(target)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"http://127.0.0.1:{server.server_port}/static_index.html")
    yield page
    server.shutdown()


def test_overview_teaches_the_vocabulary(page: Page) -> None:
    page.get_by_role("heading", name="Storehouse").first.wait_for()
    assert "net sales" in page.inner_text("body").lower()


def test_model_page_shows_description_and_columns(page: Page, target: Path) -> None:
    model = json.loads((target / "manifest.json").read_text())["nodes"][f"model.storehouse.{MODEL}"]
    page.goto(page.url.split("#")[0] + f"#!/model/model.storehouse.{MODEL}")
    page.get_by_role("heading", name=MODEL).first.wait_for()
    text = " ".join(page.inner_text("body").split())
    assert " ".join(model["description"].split())[:40] in text
    for column in model["columns"]:
        assert column in text


def test_lineage_graph_draws(page: Page) -> None:
    page.goto(page.url.split("#")[0] + f"#!/model/model.storehouse.{MODEL}")
    page.get_by_role("heading", name=MODEL).first.wait_for()
    page.get_by_title("View Lineage Graph").click()
    page.locator("canvas").first.wait_for()
    page.wait_for_timeout(1500)
    drawn = page.evaluate(
        """() => [...document.querySelectorAll('canvas')].map(canvas => {
            const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return pixels.filter((value, index) => index % 4 === 3 && value > 0).length;
        }).reduce((sum, count) => sum + count, 0)"""
    )
    assert drawn > 1000, "the lineage canvas stayed empty"


def test_every_model_and_every_column_is_described(target: Path) -> None:
    manifest = json.loads((target / "manifest.json").read_text())
    catalog = json.loads((target / "catalog.json").read_text())
    resources = manifest["nodes"] | manifest["sources"]
    undescribed = []
    for unique_id, table in (catalog["nodes"] | catalog["sources"]).items():
        resource = resources[unique_id]
        if resource["package_name"] != "storehouse" or unique_id.startswith("test."):
            continue
        described = {name.lower() for name, column in resource["columns"].items() if column["description"].strip()}
        if not resource["description"].strip():
            undescribed.append(unique_id)
        undescribed += [f"{unique_id}.{name}" for name in table["columns"] if name.lower() not in described]
    assert not undescribed
