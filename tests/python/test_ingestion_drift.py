"""Sources that change without a word: nothing is lost, nothing wrong is trusted, and what was mended flows again."""

import shutil
from pathlib import Path

import pytest
from conftest import ROOT, Workspace

PAYMENTS = ("--select", "+ops_load_reconciliation", "--indirect-selection", "cautious")
OLD, MENDED = "try_cast('amount', ", "try_cast('coalesce(amount, amount_value)', "


def rejected(space: Workspace) -> set[str]:
    """The payments that staging set aside for their amount."""
    return {
        key
        for (key,) in space.warehouse(
            "select row_key::json ->> 'payment_id' from marts.ops_rejected_rows "
            "where source_table = 'api.payments' and reject_reason = 'invalid_amount'"
        )
    }


@pytest.fixture(scope="module")
def loaded(warm_workspace: Workspace, tiny_shop: Workspace) -> Workspace:
    """The tiny shop, loaded once."""
    tiny_shop.ingest()
    return tiny_shop


def test_the_api_renames_amount_on_friday_night(loaded: Workspace, tmp_path: Path) -> None:
    friday = loaded.shop("select max(updated_at)::date from provider.payments")[0][0]
    loaded.demo("incident", "rename-amount")
    loaded.demo("advance", "--days", "4")
    loaded.ingest("--source", "api", "shop")

    # Raw keeps every value, the log of loads says what changed, staging trusts none of it, and the build fails.
    expected = loaded.shop("select payment_id, amount::text from provider.payments order by 1")
    held = dict(loaded.warehouse("select payment_id, coalesce(amount_value, amount) from raw_api.payments"))
    assert {payment: held[payment] for payment, _ in expected} == dict(expected)
    assert loaded.warehouse(
        "select table_name, new_columns from raw_ops.table_loads where new_columns is not null and source = 'api'"
    ) == [("payments", "amount_value")]
    built = loaded.dbt("build", *PAYMENTS, check=False)
    assert built.returncode == 1
    assert "FAIL 1 assert_new_rows_can_be_trusted" in built.stdout
    set_aside = rejected(loaded)

    # A person mends the mapping, and every row flows again.
    project = tmp_path / "project"
    shutil.copytree(ROOT, project, ignore=shutil.ignore_patterns(".venv", ".git", "data"))
    model = project / "models" / "staging" / "api" / "base_api__payments.sql"
    model.write_text(model.read_text().replace(OLD, MENDED))
    assert MENDED in model.read_text()
    loaded.dbt("build", "--full-refresh", *PAYMENTS, "--project-dir", str(project))
    without_amount = "select payment_id from raw_api.payments where amount is null"
    assert set_aside - rejected(loaded) == {payment for (payment,) in loaded.warehouse(without_amount)} != set()

    # Or the API is back, and is asked again.
    loaded.demo("incident", "rename-amount", "--undo")
    loaded.ingest("--source", "api", "--from", str(friday))
    assert loaded.warehouse(without_amount) == []


def test_columns_that_change_their_type_lose_no_value(loaded: Workspace) -> None:
    shop = ("--source", "shop", "--tables", "suppliers", "products")
    held = """
        select lead_time_days, lead_time_days__v_text, unit_price, unit_price__v_text
        from raw_shop.suppliers, raw_shop.products where suppliers.supplier_id = 1 and product_id = 1
    """
    loaded.shop("alter table shop.suppliers alter lead_time_days type text using lead_time_days::text")
    loaded.shop("alter table shop.products alter unit_price type numeric(20, 6)")
    loaded.shop("update shop.suppliers set lead_time_days = 'soon' where supplier_id = 1")
    loaded.shop("update shop.products set unit_price = 0.123456 where product_id = 1")
    loaded.ingest(*shop, STOREHOUSE_RUN_ID="retyped")
    assert loaded.warehouse(held) == [(None, "soon", None, "0.123456")]
    assert loaded.warehouse(
        "select new_columns, missing_columns from raw_ops.table_loads where run_id = 'retyped' order by 1"
    ) == [("lead_time_days__v_text", "lead_time_days"), ("unit_price__v_text", "unit_price")]

    # The old types are back.
    loaded.shop("update shop.suppliers set lead_time_days = '7' where supplier_id = 1")
    loaded.shop("update shop.products set unit_price = 1 where product_id = 1")
    loaded.shop("alter table shop.suppliers alter lead_time_days type integer using lead_time_days::integer")
    loaded.shop("alter table shop.products alter unit_price type numeric(14, 2)")
    loaded.ingest(*shop)
    assert loaded.warehouse(held) == [(7, None, 1, None)]
