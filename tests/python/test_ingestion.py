"""Ingestion through its command line, against the tiny demo shop: nothing lost, nothing twice, whatever happens."""

import gzip
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import datetime

import duckdb
import psycopg2
import pytest
from conftest import ROOT, Workspace

KEYS = {
    "stores": "store_id",
    "customers": "customer_id",
    "suppliers": "supplier_id",
    "products": "product_id",
    "orders": "order_id",
    "order_items": "order_item_id",
    "inventory_levels": "product_id, location_code",
}
KEY_TABLES = {"order_items": "order_item_keys", "inventory_levels": "inventory_level_keys"}
API_COUNTS = {
    table: f"""
        select count(*) + (select count(*) from provider.malformed_records where endpoint = '{table}')
        from provider.{table}
    """
    for table in ("payments", "refunds", "fx_rates", "campaign_spend", "sessions")
}


@pytest.fixture(scope="module")
def loaded(warm_workspace: Workspace, tiny_shop: Workspace) -> Workspace:
    """The tiny shop, loaded once."""
    tiny_shop.ingest()
    return tiny_shop


def columns(space: Workspace, table: str) -> str:
    """The columns of a table of the shop, in order, as a list for SQL."""
    rows = space.shop(
        "select column_name from information_schema.columns "
        f"where table_schema = 'shop' and table_name = '{table}' order by ordinal_position"
    )
    return ", ".join(name for (name,) in rows)


def assert_raw_equals_shop(space: Workspace) -> None:
    """Every table of raw holds exactly the rows and values of the shop, deletions taken through the key tables."""
    for table, key in KEYS.items():
        names = columns(space, table)
        alive = f"where ({key}) in (select ({key}) from raw_shop.{KEY_TABLES[table]})" if table in KEY_TABLES else ""
        held = space.warehouse(f"select {names} from raw_shop.{table} {alive}")
        source = space.shop(f"select {names} from shop.{table}")
        assert not set(source) - set(held), f"{table}: rows of the shop that are not in raw"
        assert not set(held) - set(source), f"{table}: rows of raw that are not in the shop"
        assert len(held) == len(source), f"{table}: doubled rows"
    for table, count in API_COUNTS.items():
        assert space.warehouse(f"select count(*) from raw_api.{table}") == space.shop(count), table


def assert_files_equal_raw(space: Workspace) -> None:
    """Raw holds the readable lines of every file, once, and says which bytes it could not read."""
    folder = space.data_dir / "demo_shop" / "files"
    for table, pattern in {"clickstream": "**/*.jsonl.gz", "inventory_events": "**/*.jsonl"}.items():
        expected: Counter[tuple] = Counter()
        for path in sorted((folder / table).glob(pattern)):
            content = path.read_bytes()
            if path.suffix == ".gz":
                try:
                    content = gzip.decompress(content)
                except EOFError:
                    continue
            for number, line in enumerate(content.split(b"\n"), 1):
                if line.strip():
                    expected[(str(path.relative_to(folder)), number, line.removesuffix(b"\r"))] += 1
        held = Counter(
            (path, number, record.encode())
            for path, number, record, error in space.warehouse(
                f"select file_path, line_number, record, read_error from raw_files.{table}"
            )
            # Files that were taken away since stay in raw.
            if error is None and (folder / path).exists()
        )
        broken = space.warehouse(f"select file_path, line_number from raw_files.{table} where read_error is not null")
        readable = {key: count for key, count in expected.items() if key[:2] not in broken}
        cut = {path for path, _ in broken}
        assert {key: count for key, count in held.items() if key[0] not in cut or key in expected} == readable


def newest(space: Workspace, table: str) -> str:
    """The latest change of a table in the shop."""
    return str(space.shop(f"select max(updated_at) from shop.{table}")[0][0])


def add_supplier(number: int, updated_at: str) -> str:
    """SQL that adds a supplier with a timestamp of its own."""
    return f"insert into shop.suppliers values ({number}, 'Supplier {number}', 1, 1, '2024-01-01', {updated_at}, null)"


def suppliers(space: Workspace) -> set[int]:
    """The suppliers in raw."""
    return {number for (number,) in space.warehouse("select supplier_id from raw_shop.suppliers")}


def test_the_first_load_brings_everything(loaded: Workspace) -> None:
    assert_raw_equals_shop(loaded)
    assert_files_equal_raw(loaded)
    types = dict(
        loaded.warehouse("select column_name, data_type from information_schema.columns where table_name = 'orders'")
    )
    assert types["total_amount"] == "DECIMAL(14,2)"
    assert types["ordered_at"] == "TIMESTAMP WITH TIME ZONE"
    assert loaded.warehouse("select count(*) from raw_files.clickstream where read_error like 'the gzip file%'") == [
        (1,)
    ]
    # Nulls and empty strings are two things.
    emails = "select count(*) filter (where email = ''), count(*) filter (where email is null) from {}.customers"
    assert loaded.warehouse(emails.format("raw_shop")) == loaded.shop(emails.format("shop"))


def test_a_second_load_changes_nothing(loaded: Workspace) -> None:
    loads = "select table_name, load_id, count(*) from ({}) group by all order by all".format(
        " union all ".join(
            f"select '{name}' as table_name, _dlt_load_id as load_id from {schema}.{name}"
            for schema, name in loaded.warehouse(
                "select table_schema, table_name from information_schema.tables "
                "where table_schema in ('raw_shop', 'raw_api', 'raw_files') and table_name not like '_dlt%'"
            )
        )
    )
    before = loaded.warehouse(loads)
    loaded.ingest()
    assert loaded.warehouse(loads) == before


def test_every_load_says_what_it_did(loaded: Workspace) -> None:
    loaded.shop("alter table shop.suppliers rename min_order_quantity to minimum")
    loaded.ingest("--source", "files", "shop", "--full-refresh", STOREHOUSE_RUN_ID="told")
    counts = "rows_read, rows_loaded, rows_rejected, rows_unchanged, bytes"
    told = {
        table: counts
        for table, *counts in loaded.warehouse(
            f"select table_name, {counts} from raw_ops.table_loads where run_id = 'told'"
        )
    }
    assert all(read == loaded + rejected + unchanged for read, loaded, rejected, unchanged, _ in told.values())
    [(broken,)] = loaded.warehouse("select count(*) from raw_files.clickstream where read_error is not null")
    assert broken and told["clickstream"][2] == broken
    assert told["orders"][0] == loaded.shop("select count(*) from shop.orders")[0][0]
    assert all(size > 0 for *_, size in told.values())
    [(watermark,)] = loaded.warehouse(
        "select watermark_after from raw_ops.table_loads where table_name = 'orders' and run_id = 'told'"
    )
    assert datetime.fromisoformat(watermark) == loaded.shop("select max(updated_at) from shop.orders")[0][0]
    assert loaded.warehouse(
        "select table_name, new_columns, missing_columns from raw_ops.table_loads "
        "where run_id = 'told' and (new_columns is not null or missing_columns is not null)"
    ) == [("suppliers", "minimum", "min_order_quantity")]
    lines = map(json.loads, (loaded.data_dir / "logs" / "ingestion.jsonl").read_text().splitlines())
    assert {line["table_name"] for line in lines if line["run_id"] == "told"} == set(told)
    loaded.shop("alter table shop.suppliers rename minimum to min_order_quantity")
    loaded.ingest("--source", "shop", "--tables", "suppliers", "--full-refresh")


def test_after_some_days_raw_equals_the_shop_again(loaded: Workspace) -> None:
    loaded.demo("advance", "--days", "3")
    loaded.ingest()
    assert_raw_equals_shop(loaded)
    assert_files_equal_raw(loaded)


def test_rows_that_cursors_lose_arrive(loaded: Workspace) -> None:
    latest = newest(loaded, "suppliers")
    url = loaded.settings["DEMO_SHOP_ADMIN_URL"].replace("postgresql+psycopg2://", "postgresql://")
    shop = ["--source", "shop", "--tables", "suppliers"]
    late = psycopg2.connect(url)
    with late.cursor() as cursor:
        # A transaction that is open during the load, with a timestamp days behind what the load sees.
        cursor.execute("select 1")
        loaded.shop(add_supplier(901, f"timestamptz '{latest}' + interval '3 days'"))
        loaded.ingest(*shop)
        cursor.execute(add_supplier(902, f"timestamptz '{latest}' + interval '1 second'"))
        late.commit()
        late.close()
    loaded.ingest(*shop)
    assert {901, 902} <= suppliers(loaded)

    # A row of the far future must not move the start past the rows of tomorrow; nor may a row without a timestamp.
    loaded.shop("alter table shop.suppliers alter updated_at drop not null")
    loaded.shop(add_supplier(903, "timestamptz '2099-01-01'"))
    loaded.shop(add_supplier(904, "null"))
    loaded.ingest(*shop)
    # The same timestamp as the newest row that was loaded already, for a new row and for a change.
    last = f"timestamptz '{newest(loaded, 'suppliers where supplier_id < 903')}'"
    loaded.shop(add_supplier(905, last))
    # An application that writes timestamps by its own clock, late: within the lag and beyond it.
    loaded.shop(add_supplier(906, f"{last} - interval '23 hours'"))
    loaded.shop(add_supplier(907, f"{last} - interval '25 hours'"))
    loaded.shop(
        "set session_replication_role = replica; update shop.suppliers set name = 'Changed' where supplier_id = 901"
    )
    loaded.ingest(*shop)
    assert {903, 904, 905, 906} <= suppliers(loaded)
    assert 907 not in suppliers(loaded)
    assert loaded.warehouse("select name from raw_shop.suppliers where supplier_id = 901") == [("Changed",)]

    # What the lag did not bring, reading that table again does, and touches no other.
    orders = "select order_id, _dlt_load_id from raw_shop.orders order by all"
    before = loaded.warehouse(orders)
    loaded.ingest(*shop, "--full-refresh")
    assert 907 in suppliers(loaded) and loaded.warehouse(orders) == before
    assert_raw_equals_shop(loaded)


def test_hard_deletes_leave_the_key_tables(loaded: Workspace) -> None:
    deleted = loaded.shop("delete from shop.order_items where order_item_id % 100 = 7 returning order_item_id")
    loaded.ingest("--source", "shop")
    alive = {key for (key,) in loaded.warehouse("select order_item_id from raw_shop.order_item_keys")}
    assert deleted and not alive & {key for (key,) in deleted}
    assert len(alive) == loaded.shop("select count(*) from shop.order_items")[0][0]


def test_changed_files_are_read_again_as_a_whole(loaded: Workspace) -> None:
    folder = loaded.data_dir / "demo_shop" / "files" / "inventory_events" / "date=2030-01-01"
    folder.mkdir()
    contents = {
        "grows": [b"1\n", b"1\n2\n3\n"],
        "shrinks": [b"1\n2\n3\n", b"1"],
        "empties": [b"1\n", b""],
        "same": [b"1\r\n"] * 2,
    }
    # What is hidden is often half written.
    (folder / ".hidden.jsonl").write_bytes(b"no\n")
    for step in range(2):
        for name, steps in contents.items():
            (folder / f"{name}.jsonl").write_bytes(steps[step])
        # A file that arrives late with the time of an older one is still new.
        (folder / f"late-{step}.jsonl").write_bytes(b"late\n")
        os.utime(folder / f"late-{step}.jsonl", (0, 0))
        loaded.ingest("--source", "files")
    (folder / ".hidden.jsonl").unlink()
    held = loaded.warehouse(
        "select regexp_extract(file_path, '([a-z0-9-]+).jsonl', 1), line_number, record, read_error "
        "from raw_files.inventory_events where file_path like '%2030-01-01%' order by 1, 2"
    )
    assert held == [
        ("empties", 0, None, "the file is empty"),
        ("grows", 1, "1", None),
        ("grows", 2, "2", None),
        ("grows", 3, "3", None),
        ("late-0", 1, "late", None),
        ("late-1", 1, "late", None),
        ("same", 1, "1", None),
        ("shrinks", 1, "1", None),
    ]


def test_errors_are_one_line_and_heal(loaded: Workspace) -> None:
    credentials = loaded.settings["SOURCES__SHOP__CREDENTIALS"]
    password = credentials.split(":")[2].split("@")[0]
    wrong = {
        "shop": [
            ({"SOURCES__SHOP__CREDENTIALS": "postgresql://a:b@127.0.0.1:9/shop"}, "127.0.0.1"),
            ({"SOURCES__SHOP__CREDENTIALS": credentials.replace(password, "wrong")}, "password authentication failed"),
        ],
        "api": [
            ({"SOURCES__API__TOKEN": "wrong"}, "refused the token"),
            (
                {"SOURCES__API__BASE_URL": "http://127.0.0.1:9", "SOURCES__API__MAX_ATTEMPTS": "1"},
                "Cannot reach the API",
            ),
        ],
        "files": [
            ({"SOURCES__FILES__BUCKET_URL": str(loaded.data_dir / "nowhere")}, "There is no folder"),
            ({"SOURCES__FILES__BUCKET_URL": "s3://bucket/events"}, ".venv/bin/uv pip install s3fs"),
            ({"SOURCES__FILES__BUCKET_URL": "gs://bucket/events"}, ".venv/bin/uv pip install gcsfs"),
            ({"SOURCES__FILES__BUCKET_URL": "abfss://bucket@account/events"}, ".venv/bin/uv pip install adlfs"),
        ],
    }
    for source, cases in wrong.items():
        for settings, message in cases:
            result = loaded.ingest("--source", source, check=False, **settings)
            assert result.returncode == 1
            assert message in result.stderr
            assert result.stderr.startswith("Error: ") and result.stderr.count("\n") == 1
            assert "Traceback" not in result.stderr + result.stdout
            assert password not in result.stderr + result.stdout
    loaded.ingest()
    assert_raw_equals_shop(loaded)
    assert_files_equal_raw(loaded)


def test_a_warehouse_in_use_is_left_alone(loaded: Workspace) -> None:
    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    holder = subprocess.Popen(
        [sys.executable, "-c", hold, str(loaded.data_dir / "warehouse.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        holder.stdout.readline()
        result = loaded.ingest("--source", "files", check=False)
    finally:
        holder.communicate()
    assert result.returncode == 75
    assert f"process {holder.pid}" in result.stderr and result.stderr.count("\n") == 1


def test_a_full_disk_loses_nothing(loaded: Workspace) -> None:
    run = (
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
        "runpy.run_module('ingestion', run_name='__main__')"
    )
    result = loaded.run(sys.executable, "-c", run, "--full-refresh", check=False)
    assert result.returncode == 1
    assert "The disk is full" in result.stderr and "Traceback" not in result.stderr
    loaded.ingest()
    assert_raw_equals_shop(loaded)
    assert_files_equal_raw(loaded)


def test_a_merge_is_one_transaction(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("DLT_PROJECT_DIR", str(ROOT))
    import dlt
    import pyarrow as pa
    from dlt.common.runtime.collector import NullCollector
    from dlt.pipeline.exceptions import PipelineStepFailed

    from ingestion.pipeline import open_pipeline
    from ingestion.warehouse import DuckDB

    def rows(values: list[int | None]) -> dlt.sources.DltResource:
        table = pa.table({"id": [1, 2, 3], "v": pa.array(values, pa.int64())})
        merge = {"disposition": "merge", "strategy": "delete-insert"}
        return dlt.resource([table], name="numbers", primary_key="id", write_disposition=merge)

    with duckdb.connect(tmp_path / "warehouse.duckdb") as warehouse:
        pipeline = open_pipeline("probe", DuckDB(warehouse, tmp_path), NullCollector())
        pipeline.run(rows([1, 2, 3]), loader_file_format="parquet")
        # The delete of the next merge works and its insert fails: without a transaction the rows would be gone.
        warehouse.execute("alter table raw_probe.numbers alter v set not null")
        with pytest.raises(PipelineStepFailed):
            pipeline.run(rows([4, None, 6]), loader_file_format="parquet")
        assert warehouse.execute("select list(v order by id) from raw_probe.numbers").fetchone() == ([1, 2, 3],)


def test_a_dry_run_loads_nothing(loaded: Workspace) -> None:
    loaded.demo("advance")
    before = loaded.warehouse("select * from raw_shop._dlt_loads")
    dry = loaded.ingest("--source", "shop", "--dry-run").stdout
    assert "Would be loaded" in dry and loaded.warehouse("select * from raw_shop._dlt_loads") == before
    wet = loaded.ingest("--source", "shop").stdout

    def changed(report: str) -> list[str]:
        """The numbers of changed rows in a report."""
        return [line.split("│")[4].strip() for line in report.splitlines() if line.startswith("│")]

    assert changed(dry) == changed(wet)


def test_days_are_read_again_without_touching_the_rest(loaded: Workspace) -> None:
    loaded.ingest()
    day = "2024-06-03"
    loads = "select order_id, _dlt_load_id from raw_shop.orders where updated_at::date <> '2024-06-03' order by all"
    watermarks = "select state from raw_shop._dlt_pipeline_state order by version desc limit 1"
    before, state = loaded.warehouse(loads), loaded.warehouse(watermarks)
    for damage in (
        f"delete from raw_shop.orders where updated_at::date = '{day}'",
        f"update raw_api.sessions set device = 'broken' where updated_at like '{day}%'",
        f"update raw_files.clickstream set record = 'broken' where file_path like '%{day}%'",
    ):
        with duckdb.connect(str(loaded.data_dir / "warehouse.duckdb")) as warehouse:
            warehouse.execute("set TimeZone = 'UTC'")
            assert warehouse.execute(damage).fetchone()[0] > 0, damage
    loaded.ingest("--from", day, "--to", day)
    assert_raw_equals_shop(loaded)
    assert_files_equal_raw(loaded)
    assert loaded.warehouse("select count(*) from raw_api.sessions where device = 'broken'") == [(0,)]
    assert loaded.warehouse(loads) == before
    assert loaded.warehouse(watermarks) == state


def test_a_restored_warehouse_catches_up(loaded: Workspace) -> None:
    warehouse = loaded.data_dir / "warehouse.duckdb"
    backup = warehouse.read_bytes()
    loaded.demo("advance", "--days", "2")
    loaded.ingest()
    warehouse.write_bytes(backup)
    loaded.ingest()
    assert_raw_equals_shop(loaded)
    assert_files_equal_raw(loaded)


def test_a_source_that_lost_its_rows_does_not_empty_raw(loaded: Workspace) -> None:
    loaded.shop(
        "alter table shop.order_items rename to moved; create table shop.order_items (like shop.moved including all)"
    )
    loaded.shop("grant select on shop.order_items to storehouse_loader")
    before = loaded.warehouse("select count(*) from raw_shop.order_item_keys")
    for arguments in ([], ["--full-refresh"]):
        result = loaded.ingest("--source", "shop", *arguments, check=False)
        assert result.returncode == 1 and "--allow-shrink" in result.stderr
        assert loaded.warehouse("select count(*) from raw_shop.order_item_keys") == before
    loaded.ingest("--source", "shop", "--allow-shrink")
    assert loaded.warehouse("select count(*) from raw_shop.order_item_keys") == [(0,)]
    loaded.shop("drop table shop.order_items; alter table shop.moved rename to order_items")
    loaded.ingest("--source", "shop")
    assert_raw_equals_shop(loaded)


def test_a_filled_table_is_counted_wherever_it_is_told(loaded: Workspace) -> None:
    refreshed = ("--source", "shop", "--tables", "stores", "--full-refresh")
    printed = loaded.ingest(*refreshed, STOREHOUSE_RUN_ID="filled", COLUMNS="150").stdout
    [(held,)] = loaded.warehouse("select count(*) from raw_shop.stores")
    [line] = [line for line in printed.splitlines() if "stores" in line]
    # Read, changed, in the warehouse
    assert [int(cell) for cell in line.split("│")[3:6]] == [held] * 3
    told = "select rows_read, rows_loaded from raw_ops.table_loads where run_id = 'filled' and table_name = 'stores'"
    assert loaded.warehouse(told) == [(held, held)]
