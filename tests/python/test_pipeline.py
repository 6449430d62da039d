"""The whole path, from the shop's own database to the marts and what is shown, through the commands that people use."""

import functools
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import date, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest
from conftest import ROOT, Workspace
from oracle import daily_sales
from playwright.sync_api import Browser, Page

MEASURES = ["gross_sales", "discounts", "returns", "taxes", "shipping", "orders"]
# Rules do not depend on the data: the first build has tested them. Nor has data to be tested that must be as before.
WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
WITHOUT_TESTS = (*WITHOUT_UNIT_TESTS, "--exclude-resource-type", "test")
MODEL = "fct_orders"
AUDIT_COLUMNS = ("_dlt_load_id", "loaded_at", "dbt_updated_at")


class QuietHandler(SimpleHTTPRequestHandler):
    """A file server that does not write a line to the terminal for every request."""

    def log_message(self, *_: object) -> None: ...


def marts(space: Workspace) -> list[str]:
    """The names of all marts but the pipeline's notes about itself, which a run adds to by design."""
    return [
        name
        for (name,) in space.warehouse(
            "select table_name from information_schema.tables "
            "where table_schema = 'marts' and not starts_with(table_name, 'ops_') order by table_name"
        )
    ]


def as_text(space: Workspace, mart: str) -> str:
    """The query for all rows of a mart as text, audit columns left out."""
    columns = [
        f"cast({name} as varchar)"
        for (name,) in space.warehouse(
            f"select column_name from information_schema.columns where table_schema = 'marts' "
            f"and table_name = '{mart}' order by ordinal_position"
        )
        if name not in AUDIT_COLUMNS
    ]
    return f"select {', '.join(columns)} from marts.{mart}"


def fingerprint(space: Workspace) -> dict[str, list[tuple]]:
    """How many rows each mart has, and the sum of their hashes."""
    sums = "select count(*), sum(hash(row_)::hugeint) from ({}) as row_"
    return {mart: space.warehouse(sums.format(as_text(space, mart))) for mart in marts(space)}


def assert_daily_sales_agree(space: Workspace, as_of: date = date.max) -> None:
    """Every day of agg_daily_sales up to `as_of` equals what the shop's own Postgres says, to the cent."""
    expected = {day: figures for day, figures in daily_sales(space.shop).items() if day <= as_of}
    found = {
        day: dict(zip(MEASURES, values, strict=True))
        for day, *values in space.warehouse(f"select date_day, {', '.join(MEASURES)} from marts.agg_daily_sales")
    }
    differences = [
        (day.isoformat(), measure, expected[day][measure], found.get(day, {}).get(measure))
        for day in sorted(expected)
        for measure in MEASURES
        if expected[day][measure] != (found.get(day, {}).get(measure) or 0)
    ]
    assert not differences, f"{len(differences)} figures differ (day, measure, shop, mart): {differences[:10]}"
    silent = [day for day in found if day not in expected]
    assert all(not found[day][measure] for day in silent for measure in MEASURES)


def assert_orders_agree(space: Workspace) -> None:
    """Every order's amounts, status and payments in fct_orders equal the shop's."""
    shop = dict(
        space.shop(
            """
            select order_id, (status, total_amount, tax_amount, shipping_amount, deleted_at is not null)::text
            from shop.orders
            """
        )
    )
    mart = {
        order: f"({status},{total:.2f},{tax:.2f},{shipping:.2f},{'t' if deleted else 'f'})"
        for order, status, total, tax, shipping, deleted in space.warehouse(
            "select order_id, status, total_amount, tax_amount, shipping_amount, is_deleted from marts.fct_orders"
        )
    }
    assert mart == shop
    paid = space.shop(
        """
        select currency, sum(case kind when 'refund' then -amount else amount end)
        from provider.payments join shop.orders using (order_id, currency)
        where payments.status = 'succeeded' and kind in ('sale', 'capture', 'refund') group by currency
        """
    )
    assert dict(paid) == dict(
        space.warehouse(
            "select currency, sum(signed_amount) from marts.fct_payments where is_money_movement group by 1"
        )
    )


def test_marts_agree_with_the_shop_to_the_cent(pipeline: Workspace) -> None:
    assert pipeline.warehouse("select sum(orders) > 100 from marts.agg_daily_sales") == [(True,)]
    assert_orders_agree(pipeline)
    assert_daily_sales_agree(pipeline)


def test_the_summary_says_what_the_run_did(pipeline: Workspace) -> None:
    printed = pipeline.run(sys.executable, "scripts/summary.py").stdout
    assert "shop" in printed and "api" in printed and "files" in printed
    for (segment,) in pipeline.warehouse("select distinct segment from marts.rpt_customer_rfm"):
        assert segment in printed
    [(net_sales,)] = pipeline.warehouse(
        "select net_sales from marts.agg_daily_sales order by date_day desc limit 1 offset 1"
    )
    assert f"EUR {net_sales:,.2f} net" in printed


def test_the_summary_names_the_reporting_currency(pipeline: Workspace) -> None:
    set_currency = "update marts.agg_daily_sales set currency = '{}'"
    for currency in ("CHF", "EUR"):
        with duckdb.connect(str(pipeline.data_dir / "warehouse.duckdb")) as connection:
            connection.execute(set_currency.format(currency))
        assert f"{currency} " in pipeline.run(sys.executable, "scripts/summary.py").stdout


def test_the_dashboard_draws_the_published_marts(pipeline: Workspace, browser: Browser) -> None:
    pipeline.run(sys.executable, "-m", "operations", "publish")
    pipeline.run(sys.executable, "-m", "dashboards")
    complaints = []
    page = browser.new_page()
    page.on("request", lambda request: complaints.append(request.url) if not request.url.startswith("file:") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto((pipeline.data_dir / "dashboard.html").as_uri())
    page.locator("section").last.locator("svg").wait_for()
    assert not complaints, "the page must read nothing from outside and raise nothing"

    days = daily_sales(pipeline.shop)
    [(as_of,)] = pipeline.warehouse("select max(date_day) from marts.agg_daily_sales")
    orders = sum(figures["orders"] for day, figures in days.items() if 1 <= (as_of - day).days <= 28)
    assert f"Orders\n{orders:,}\n" in page.inner_text(".figures")
    for panel in page.locator("section").all():
        assert panel.locator("svg .mark-rect path, svg .mark-line path").count() > 1, panel.inner_text()


@pytest.fixture(scope="module")
def site(pipeline: Workspace) -> Path:
    """The folder with the docs site."""
    folder, parsed = pipeline.data_dir / "docs", pipeline.data_dir / "target" / "partial_parse.msgpack"
    docs = ("docs", "generate", "--static", "--exclude", "resource_type:test", "--target-path", str(folder))
    pipeline.dbt("--quiet", *docs, "--partial-parse-file-path", str(parsed))
    return folder


@pytest.fixture(scope="module")
def page(site: Path, browser: Browser) -> Iterator[Page]:
    """A browser page on the served site."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(QuietHandler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(f"http://127.0.0.1:{server.server_port}/static_index.html")
    yield page
    server.shutdown()


def test_overview_teaches_the_vocabulary(page: Page) -> None:
    page.get_by_role("heading", name="Storehouse").first.wait_for()
    assert "net sales" in page.inner_text("body").lower()


def test_model_page_shows_description_and_columns(page: Page, site: Path) -> None:
    model = json.loads((site / "manifest.json").read_text())["nodes"][f"model.storehouse.{MODEL}"]
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


def test_every_model_and_every_column_is_described(site: Path) -> None:
    manifest = json.loads((site / "manifest.json").read_text())
    catalog = json.loads((site / "catalog.json").read_text())
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


def test_a_second_run_changes_nothing(pipeline: Workspace) -> None:
    before = fingerprint(pipeline)
    pipeline.ingest()
    pipeline.dbt("build", *WITHOUT_TESTS)
    assert fingerprint(pipeline) == before


def test_an_advanced_shop_changes_exactly_what_it_should(pipeline: Workspace) -> None:
    orders_before = {row[0]: row for row in pipeline.warehouse(as_text(pipeline, "fct_orders"))}
    [(yesterday,)] = pipeline.shop("select max(updated_at) from shop.orders")
    pipeline.demo("advance", "--days", "3")
    pipeline.ingest()
    pipeline.dbt("build", *WITHOUT_UNIT_TESTS)

    assert_orders_agree(pipeline)
    assert_daily_sales_agree(pipeline)

    orders_after = {row[0]: row for row in pipeline.warehouse(as_text(pipeline, "fct_orders"))}
    changed = {order for order, row in orders_after.items() if orders_before.get(order) != row}
    touched = {
        str(order)
        for (order,) in pipeline.shop(
            f"""
            select order_id from shop.orders where updated_at > '{yesterday}'
            union select order_id from shop.order_items where updated_at > '{yesterday}'
            union select order_id from provider.payments where updated_at > '{yesterday}'
            """
        )
    }
    assert orders_before.keys() <= orders_after.keys(), "orders vanished"
    assert len(orders_after) > len(orders_before), "no order in three days"
    assert changed <= touched, f"orders changed though nothing happened to them: {sorted(changed - touched)[:10]}"


def test_every_amount_column_is_decimal(pipeline: Workspace) -> None:
    floats = pipeline.warehouse(
        """
        select table_name, column_name, data_type from information_schema.columns
        where table_schema = 'marts' and data_type in ('DOUBLE', 'FLOAT')
            and regexp_matches(column_name, 'amount|sales|discount|tax|cogs|profit|price|cost')
        """
    )
    assert not floats


@pytest.mark.parametrize("column", ["email", "first_name", "last_name", "phone", "birth_date", "guest_email"])
def test_personal_data_stays_below_the_marts(pipeline: Workspace, column: str) -> None:
    assert not pipeline.warehouse(
        f"select 1 from information_schema.columns where table_schema = 'marts' and column_name = '{column}'"
    )


def test_a_model_is_tried_beside_the_warehouse(pipeline: Workspace) -> None:
    early = pipeline.run(sys.executable, "-m", "scripts.sandbox", "rpt_seasonality", check=False)
    assert early.returncode == 1 and "make build" in early.stderr and "Traceback" not in early.stderr
    state = pipeline.data_dir / "state"
    state.mkdir()
    shutil.copy(pipeline.data_dir / "target" / "manifest.json", state)
    tried = pipeline.run(sys.executable, "-m", "scripts.sandbox", "rpt_seasonality").stdout
    assert "0 new, 0 changed, 0 gone" in tried
    assert "1 models built" in tried
    staging = pipeline.run(sys.executable, "-m", "scripts.sandbox", "stg_shop__suppliers", check=False)
    assert staging.returncode == 1 and "A model of staging reads raw data" in staging.stdout
    unknown = pipeline.run(sys.executable, "-m", "scripts.sandbox", "no_such_model", check=False)
    assert unknown.returncode == 1 and "Nothing is called no_such_model" in unknown.stderr


def test_trying_an_edit_says_what_it_changes_and_what_is_wrong(pipeline: Workspace, tmp_path: Path) -> None:
    project = tmp_path / "project"
    leave_out = shutil.ignore_patterns(".git", ".venv", "data", "dbt_packages", "benchmarks", "docs", "python")
    shutil.copytree(ROOT, project, ignore=leave_out)
    (project / "dbt_packages").symlink_to(ROOT / "dbt_packages")

    def run(module: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", f"scripts.{module}")
        return subprocess.run(command, cwd=project, env=pipeline.env, capture_output=True, text=True, timeout=300)

    def edit(suffix: str, before: str, after: str) -> None:
        path = project / f"models/marts/sales/rpt_discount_performance.{suffix}"
        text = path.read_text()
        assert text.count(before) == 1, f"{before} is not there once"
        path.write_text(text.replace(before, after))

    nothing = run("sandbox")
    assert nothing.returncode == 0 and "Nothing was edited" in nothing.stdout

    edit("sql", "summed.cogs') }} as gross_profit", "summed.cogs + 1') }} as gross_profit")
    edit("sql", "as lines_without_cost,\n\n", "as costless_lines,\n\n")
    edit("yml", "- name: lines_without_cost", "- name: costless_lines")
    edit("yml", "gross_margin_pct,lines_without_cost", "gross_margin_pct,costless_lines")
    [(rows,)] = pipeline.warehouse("select count(*) from marts.rpt_discount_performance")
    wrong = run("sandbox")
    assert wrong.returncode == 1 and "make failures" in wrong.stdout
    assert f"0 new, {rows} changed, 0 gone; differs in: gross_profit ({rows}); " in wrong.stdout
    assert "new columns: costless_lines INTEGER; lost columns: lines_without_cost INTEGER" in wrong.stdout
    assert "gross_profit (old) │ gross_profit (new) │ costless_lines" in wrong.stdout

    shown = run("failures").stdout
    assert "What failed in make try (2" in shown
    assert "rpt_discount_performance__returns_stand_in_their_month_with_the_coupon_of_the_order" in shown
    assert f'rpt_discount_performance_profit_is_net_less_cogs: {rows} rows (fail), in "sandbox"' in shown

    edit("sql", "from summed\n", "from no_such_table\n")
    broken = run("sandbox")
    assert broken.returncode == 1 and "Mend the error" in broken.stdout and "Nothing edited" not in broken.stdout


def test_failed_tests_show_their_rows(pipeline: Workspace) -> None:
    pipeline.dbt("test", "--select", "rpt_seasonality")
    quiet = pipeline.run(sys.executable, "-m", "scripts.failures").stdout
    assert "No test of the last command failed: dbt test --select rpt_seasonality (2" in quiet
    with duckdb.connect(str(pipeline.data_dir / "warehouse.duckdb")) as connection:
        connection.execute(
            "update marts.rpt_seasonality set sales_amount = sales_amount + 1 where season_name = 'Monday'"
        )
    pipeline.dbt("test", "--select", "rpt_seasonality", check=False)
    shown = pipeline.run(sys.executable, "-m", "scripts.failures").stdout
    assert "assert_seasons_expect_what_was_sold: 1 rows (fail)" in shown and "weekday" in shown


# The last day of a month, when two reports tell the same scores; and a day amid an earlier month.
@pytest.mark.parametrize("past_day", ["date_trunc('month', max(date_day))::date - 1", "max(date_day) - 40"])
def test_as_of_date_reproduces_a_past_day(past_day: str, pipeline: Workspace) -> None:
    [(as_of,)] = pipeline.warehouse(f"select {past_day} from marts.agg_daily_sales")
    pipeline.dbt("build", *WITHOUT_TESTS, "--vars", f"{{as_of_date: '{as_of}'}}")
    pipeline.dbt("test", "--select", "assert_scores_of_a_month_end_agree", "--vars", f"{{as_of_date: '{as_of}'}}")

    assert pipeline.warehouse("select max(date_day) from marts.agg_daily_sales") == [(as_of,)]
    assert_daily_sales_agree(pipeline, as_of)
    assert pipeline.warehouse("select min(recency_days) >= 0 from marts.rpt_customer_rfm") == [(True,)]

    # A part alone would stay on the other day.
    part = ("build", *WITHOUT_TESTS, "--select", "agg_daily_sales", "--vars")
    pipeline.dbt(*part, f"{{as_of_date: '{as_of}'}}")
    refused = pipeline.dbt(*part, f"{{as_of_date: '{as_of - timedelta(days=1)}'}}", check=False)
    assert refused.returncode and f"the tables stand on {as_of}" in refused.stdout
    refused = pipeline.dbt(*part, "{as_of_date: 30.06.2025}", check=False)
    assert refused.returncode and "write a day as 2025-06-30" in refused.stdout
    later = "{as_of_date: 2099-01-01}"
    refused = pipeline.dbt("build", "--select", "int_calendar_bounds_derived", "--vars", later, check=False)
    assert refused.returncode and "FAIL 1 assert_as_of_date_is_a_day_of_the_data" in refused.stdout
