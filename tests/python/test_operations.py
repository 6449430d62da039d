"""What surrounds the pipeline, on a shop that is loaded, built and published as `make run` does it."""

import gzip
import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import duckdb
import pytest
from conftest import Workspace

from demo_shop.incident import SHOP

# What keeps something from one build to the next; the rest follows from it.
INCREMENTS = (
    "--select",
    "config.materialized:incremental",
    "+config.materialized:incremental",
    "resource_type:snapshot",
)
WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")
RUN = "20260101T000000Z-test01"


def operations(space: Workspace, *arguments: str, **options):
    """Run `python -m operations ...`."""
    return space.run(sys.executable, "-m", "operations", *arguments, **options)


@pytest.fixture(scope="module")
def published(warm_workspace: Workspace) -> Workspace:
    """A busy shop after its first run, on a Friday, as the incident wants it; a source is late, a product trends."""
    space = warm_workspace
    space.demo("start", *SHOP)
    space.connect_shop()
    space.settings |= {"OPERATIONS__EMAIL_SALT": "canary-salt"}
    look_at_a_product(space, times=150)
    environment = {"STOREHOUSE_RUN_ID": RUN}
    operations(space, "run-locked", "--for", "ingest", "--", sys.executable, "-m", "ingestion", **environment)
    with duckdb.connect(space.data_dir / "warehouse.duckdb") as warehouse:
        warehouse.execute("update raw_api.sessions set _dlt_load_id = cast(epoch(now()) - 30 * 3600 as varchar)")
    operations(space, "build", **environment)
    operations(space, "publish", **environment)
    operations(space, "record")
    return space


def look_at_a_product(space: Workspace, times: int) -> None:
    """Visitors who look at one and the same product within an hour, in a file of their own."""
    last_day = max((space.data_dir / "demo_shop" / "files" / "clickstream").iterdir())
    with gzip.open(last_day / "part-0000.jsonl.gz", "rt") as file:
        view = next(json.loads(line) for line in file if "product_view" in line)
    with gzip.open(last_day / "part-9999.jsonl.gz", "wt") as file:
        for number in range(times):
            visitor = {"event_id": f"ev-hot-{number}", "anonymous_id": f"hot-{number}", "session_id": None}
            file.write(json.dumps(view | visitor) + "\n")


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
        ("api.sessions", True),
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


@pytest.fixture
def receiver() -> Iterator[tuple[str, list[dict]]]:
    """A real HTTP server that keeps the messages sent to it, and its address for Apprise."""
    messages: list[dict] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"json://teller:canary-password@127.0.0.1:{server.server_port}/", messages
        server.shutdown()


def test_alerts_are_grouped_told_once_and_taken_back(published: Workspace, receiver: tuple[str, list[dict]]) -> None:
    address, messages = receiver
    url = {"OPERATIONS__ALERTS__URLS": address}
    ingest = ("run-locked", "--for", "ingest", "--")
    operations(published, *ingest, "true")
    (published.data_dir / "alerts.json").unlink(missing_ok=True)
    operations(published, "alert", **url)
    [first] = messages
    assert first["title"].startswith("Storehouse: Nothing new in api.sessions since ")
    assert first["type"] == "warning" and "Agreed are 1560 minutes." in first["message"]
    assert " stock: " in first["message"] and "· Trending: " in first["message"]
    operations(published, "alert", **url)
    assert len(messages) == 1

    broken = (*ingest, "bash", "-c", "echo The wire is cut. >&2; exit 1")
    for _ in range(2):
        operations(published, *broken, check=False, **url)
    assert len(messages) == 2
    assert messages[1]["title"] == "Storehouse: Step ingest failed"
    assert messages[1]["type"] == "failure" and "The wire is cut." in messages[1]["message"]

    operations(published, *ingest, "true", **url)
    operations(published, "alert", **url)
    assert len(messages) == 3
    assert messages[2]["type"] == "success"
    assert "✓ Good again: Step ingest failed" in messages[2]["message"]


def test_a_failure_is_told_when_the_warehouse_cannot_be_asked(tmp_path: Path, receiver: tuple[str, list[dict]]) -> None:
    address, messages = receiver
    space = Workspace(tmp_path / "data")
    space.data_dir.mkdir()
    (space.data_dir / "warehouse.duckdb").write_bytes(b"no database any more")
    failed = operations(space, "publish", check=False, OPERATIONS__ALERTS__URLS=address)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr and "✗ " in failed.stderr
    assert [message["title"] for message in messages] == ["Storehouse: Step publish failed"]


def test_an_alert_that_could_not_be_sent_is_tried_again_and_its_address_stays_secret(
    published: Workspace, receiver: tuple[str, list[dict]]
) -> None:
    address, messages = receiver
    (published.data_dir / "alerts.json").unlink(missing_ok=True)
    for wrong in ("json://teller:canary-password@127.0.0.1:9/", "canary-password"):
        failed = operations(published, "alert", check=False, OPERATIONS__ALERTS__URLS=wrong)
        assert failed.returncode == 1
        assert "could not be sent" in failed.stderr and "canary-password" not in failed.stdout + failed.stderr
    operations(published, "alert", OPERATIONS__ALERTS__URLS=address)
    assert len(messages) == 1


def test_without_an_address_alerts_go_to_the_log(published: Workspace) -> None:
    (published.data_dir / "alerts.json").unlink(missing_ok=True)
    assert "Storehouse: " in operations(published, "alert").stdout
    assert operations(published, "alert").stdout == ""


def test_the_friday_night_incident_ends_with_the_right_numbers(
    published: Workspace, receiver: tuple[str, list[dict]]
) -> None:
    address, messages = receiver
    told = published.run(sys.executable, "-m", "demo_shop.incident", OPERATIONS__ALERTS__URLS=address).stdout
    assert "✓ Nothing wrong was published, nothing was lost." in told
    [failure] = [message for message in messages if "✗ Step build failed" in message["message"]]
    assert failure["type"] == "failure"
    for part in (
        "✗ Test assert_new_rows_can_be_trusted found 1 rows",
        "✗ Test volume_is_not_lost_fct_payments_payment_date found ",
        "✗ Test assert_no_day_has_visitors_but_no_sales found ",
        "rows of api.payments that cannot be trusted",
        "invalid_amount in {",
        "! The columns of api.payments changed\n  New: amount_value. Was one renamed?",
        "! Test volume_is_usual_fct_payments_payment_date found ",
        "✓ Good again: Nothing new in api.sessions since ",
    ):
        assert part in failure["message"]
    assert any("✓ Good again: Step build failed" in message["message"] for message in messages)

    with duckdb.connect(published.data_dir / "published" / "marts.duckdb", read_only=True) as readers:
        shown = dict(readers.execute("select payment_id, amount from marts.fct_payments").fetchall())
    newest = "select payment_id, amount from provider.payments order by created_at desc limit 40"
    assert {payment: shown.get(payment) for payment, _ in published.shop(newest)} == dict(published.shop(newest))


def manifest_of(folder: Path) -> dict:
    """The manifest of the one export in a folder."""
    [path] = folder.glob("*/manifest.json")
    return json.loads(path.read_text())


def test_an_export_holds_every_row_twice_and_says_so(published: Workspace, tmp_path: Path) -> None:
    operations(published, "export", "--to", str(tmp_path), "--by", "month")
    [folder] = tmp_path.iterdir()
    manifest = manifest_of(tmp_path)
    with duckdb.connect(published.data_dir / "published" / "marts.duckdb", read_only=True) as readers:
        readers.execute("set TimeZone = 'UTC'")
        marts = [name for (name,) in readers.sql("select table_name from duckdb_tables()").fetchall()]
        assert set(manifest["rows"]) == set(marts)
        for mart in marts:
            columns = [f'"{name}"' for name in readers.sql(f"from marts.{mart} limit 0").columns]
            chosen = f"select {', '.join(columns)} from"
            parquet = f"read_parquet('{folder}/parquet/{mart}/**/*.parquet', hive_partitioning = false)"
            assert readers.sql(f"{chosen} marts.{mart} except all {chosen} {parquet}").fetchall() == []
            assert readers.sql(f"select count(*) from {parquet}").fetchall() == [(manifest["rows"][mart],)]
            csv = f"read_csv('{folder}/csv/{mart}.csv', all_varchar = true)"
            assert readers.sql(f"select count(*) from {csv}").fetchall() == [(manifest["rows"][mart],)]
    assert list((folder / "parquet" / "fct_orders").glob("month=2024-0?/*.parquet"))
    listed = {file["path"] for file in manifest["files"]}
    assert listed == {str(path.relative_to(folder)) for path in folder.rglob("*.*") if path.name != "manifest.json"}
    for mart, rows in manifest["rows"].items():
        assert rows == sum(file["rows"] for file in manifest["files"] if f"parquet/{mart}/" in file["path"])


def test_an_export_to_an_object_storage_is_complete_or_not_at_all(published: Workspace, tmp_path: Path) -> None:
    [state] = [line[2:].split()[0] for line in operations(published, "states").stdout.splitlines() if line[0] == "*"]
    # What a killed upload leaves behind: a file, and no manifest.
    torn = tmp_path / f"{state}-by-year" / "csv" / "fct_orders.csv"
    torn.parent.mkdir(parents=True)
    torn.write_text("order_id\n")
    operations(published, "export", "--to", f"file://{tmp_path}", "--by", "year")
    manifest = manifest_of(tmp_path)
    assert len(torn.read_text().splitlines()) == manifest["rows"]["fct_orders"] + 1
    for file in manifest["files"]:
        assert (tmp_path / f"{state}-by-year" / file["path"]).stat().st_size == file["bytes"]
    assert not list(published.data_dir.glob("exporting*"))


def test_a_place_that_cannot_be_written_is_one_line(published: Workspace) -> None:
    failed = operations(published, "export", "--to", "s3://no-bucket/marts", check=False)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr and failed.stderr.startswith("✗ Cannot export to s3://no-bucket/marts")


def found_in_files(space: Workspace, looked_for: set[str], *left_out: str) -> dict[str, set[str]]:
    """Which of some texts stand in which files that the pipeline wrote; the shop's own files are not among them."""
    needles = space.data_dir.parent / "needles"
    needles.write_text("\n".join(sorted(looked_for)))
    skipped = [f"--exclude{kind}={name}" for name in ("demo_shop", *left_out) for kind in ("", "-dir")]
    command = ["grep", "-raoiF", *skipped, "--file", str(needles), "."]
    done = subprocess.run(command, cwd=space.data_dir, env={"LC_ALL": "C"}, capture_output=True)
    assert done.returncode in (0, 1), done.stderr
    found: dict[str, set[str]] = {}
    for line in done.stdout.decode().splitlines():
        path, _, hit = line.partition(":")
        found.setdefault(path, set()).add(hit)
    return found


def personal_data(space: Workspace) -> set[str]:
    """Addresses, phones and full names of everyone in the shop."""
    rows = space.shop(
        """
        select unnest(array[email, phone, first_name || ' ' || last_name]) from shop.customers
        union
        select guest_email from shop.orders
        """
    )
    # Short names stand in code as well: Elif Lang.
    return {value.strip() for (value,) in rows if value and len(value.strip()) > 9}


def test_personal_data_is_in_the_warehouse_and_nowhere_else(published: Workspace) -> None:
    people = personal_data(published)
    assert len(people) > 300
    operations(published, "export")
    docs = ("docs", "generate", "--static", "--exclude", "resource_type:test")
    parsed = published.data_dir / "target" / "partial_parse.msgpack"
    published.dbt(*docs, "--partial-parse-file-path", str(parsed), "--target-path", str(published.data_dir / "docs"))
    assert list(published.data_dir.glob("exports/*/csv/dim_customers.csv"))
    # Raw and staging hold them, and so do backups; the exports stand for the published file, which is compressed.
    assert found_in_files(published, people, "warehouse.duckdb", "backups") == {}
    lower = {person.lower() for person in people}
    with duckdb.connect(published.data_dir / "warehouse.duckdb", read_only=True) as warehouse:
        tables = warehouse.execute(
            """
            select table_schema, table_name, list(column_name) from information_schema.columns
            where data_type = 'VARCHAR' and table_schema not in ('raw_shop', 'staging')
            group by table_schema, table_name
            """
        ).fetchall()
        warehouse.execute("create temp table people as select unnest($1) as person", [list(lower)])
        for schema, table, columns in tables:
            is_hit = " or ".join(f'lower("{column}") in (select person from people)' for column in columns)
            found = warehouse.execute(f'select * from "{schema}"."{table}" where {is_hit}').fetchall()
            assert not found, f"{schema}.{table}"


def test_secrets_are_in_no_file_even_when_something_fails(published: Workspace) -> None:
    wrong = {
        "SOURCES__SHOP__CREDENTIALS": "postgresql+psycopg2://canary-user:canary-password@127.0.0.1:9/shop",
        "SOURCES__API__TOKEN": "canary-token",
        "OPERATIONS__ALERTS__URLS": "json://canary-user:canary-address@127.0.0.1:9/",
    }
    ingest = ("run-locked", "--for", "ingest", "--", sys.executable, "-m", "ingestion", "--verbose")
    printed = ""
    for credentials in (wrong["SOURCES__SHOP__CREDENTIALS"], "postgresql+psycopg2//canary-password@nowhere"):
        failed = operations(published, *ingest, check=False, **wrong | {"SOURCES__SHOP__CREDENTIALS": credentials})
        assert failed.returncode == 1
        printed += failed.stdout + failed.stderr
    broken = {"DBT_PROFILES_DIR": str(published.data_dir / "nowhere")}
    printed += operations(published, "build", check=False, **wrong | broken).stderr
    operations(published, *ingest)

    secrets = {value for name, value in published.settings.items() if name.endswith(("TOKEN", "SALT"))}
    secrets |= {re.search(r":([^:@/]+)@", published.settings[name])[1] for name in ("SOURCES__SHOP__CREDENTIALS",)}
    secrets |= {"canary-password", "canary-token", "canary-address"}
    assert len(secrets) == 6
    assert [secret for secret in secrets if secret in printed] == []
    assert found_in_files(published, secrets, "warehouse.duckdb", "backups") == {}
    assert found_in_files(published, secrets - {"canary-salt"}) == {}


NOTE_FORGOTTEN = """
import sys
from ingestion.warehouse import open_warehouse
from operations import privacy
with open_warehouse(privacy.DATA_DIR) as warehouse:
    privacy.erase(warehouse)
    privacy.note_forgotten(warehouse, sys.argv[1])
"""


def test_a_forgotten_person_is_gone_from_every_file_and_does_not_come_back(published: Workspace) -> None:
    [(customer, email, phone)] = published.shop(
        """
        select customer_id, lower(trim(email)), phone from shop.customers
        where lower(trim(email)) in (select lower(trim(guest_email)) from shop.orders) and phone is not null
            and customer_id in (select customer_id from shop.orders)
        order by customer_id limit 1
        """
    )
    money = "select sum(reporting_amount) from marts.fct_sales_ledger"
    form = "select tags['storage_version'] from duckdb_databases() where path is not null"
    person = {email, phone}
    before, form_before = published.warehouse(money), published.warehouse(form)
    assert "Nobody in raw" in operations(published, "forget", "99999999", check=False).stderr
    for nobody in ("", " ", "Ann"):
        assert "Whom?" in operations(published, "forget", nobody, check=False).stderr
    [(nameless,)] = published.shop("select min(customer_id) from shop.customers where trim(email) = ''")
    published.run(sys.executable, "-c", NOTE_FORGOTTEN, str(nameless))
    hashes = f"select email_hash from raw_secrets.forgotten where customer_id = {nameless}"
    assert published.warehouse(hashes) == [(None,)], "everyone without an address would be erased"
    operations(published, "backup")
    told = operations(published, "forget", str(customer)).stdout
    assert "raw_shop.customers: 1 rows" in told and "raw_shop.orders: " in told
    assert found_in_files(published, person) == {}
    assert published.warehouse(money) == before
    assert published.warehouse(form) == form_before == [("v1.3.0+",)]
    assert len(operations(published, "states").stdout.splitlines()) == 1
    known = f"select email_hash from marts.dim_customers where customer_id = {customer}"
    assert published.warehouse(known) == [(None,)]
    audit = (
        f"select count(*) > 0 from raw_secrets.forgotten where customer_id = {customer} and forgotten_at is not null"
    )
    assert published.warehouse(audit) == [(True,)]

    # The shop still knows the person: another load brings the row again, and nothing personal with it.
    published.ingest("--source", "shop", "--full-refresh")
    name = (
        f"select email, first_name, last_name, phone, birth_date from raw_shop.customers where customer_id = {customer}"
    )
    assert published.warehouse(name) == [(None,) * 5]
    guests = f"select count(*) from raw_shop.orders where lower(trim(guest_email)) = '{email}'"
    assert published.warehouse(guests) == [(0,)]


def fingerprint(space: Workspace) -> dict[str, list[tuple]]:
    """How many rows raw tables and marts have and the sum of their hashes, without what a load or a build stamps on."""
    tables = space.warehouse(
        """
        select
            table_schema || '."' || table_name || '"' as name,
            string_agg('"' || column_name || '"' order by ordinal_position) as columns
        from information_schema.columns
        where (table_schema in ('marts', 'snapshots') or table_schema like 'raw\\_%' escape '\\')
            and table_schema != 'raw_ops' and table_name != 'table_loads' and table_schema not like '%staging'
            and table_name not like '\\_dlt%' escape '\\' and table_name not like 'ops\\_%' escape '\\'
            and column_name not in ('_dlt_load_id', 'load_id', 'dbt_updated_at')
        group by name
        """
    )
    sums = "select count(*), sum(hash(row_)::hugeint) from (select {} from {}) as row_"
    return {table: space.warehouse(sums.format(columns, table)) for table, columns in tables}


def test_the_disaster_drill_ends_in_the_same_tables(published: Workspace) -> None:
    operations(published, "backup")
    published.demo("advance", "--days", "3")
    published.ingest()
    published.dbt("build", *INCREMENTS, *WITHOUT_TESTS)
    without_disaster = fingerprint(published)
    assert len(without_disaster) > 30

    (published.data_dir / "warehouse.duckdb").write_bytes(b"no database any more")
    shutil.rmtree(published.data_dir / "dlt")
    operations(published, "restore")
    published.ingest()
    published.dbt("build", *INCREMENTS, *WITHOUT_TESTS)
    after = fingerprint(published)
    assert after.keys() == without_disaster.keys()
    assert [table for table, rows in after.items() if rows != without_disaster[table]] == []


def test_a_damaged_backup_is_refused(published: Workspace) -> None:
    operations(published, "backup")
    backup = max((published.data_dir / "backups").iterdir())
    with (backup / "warehouse.duckdb").open("r+b") as file:
        file.seek(5000)
        file.write(b"!")
    failed = operations(published, "restore", check=False)
    assert failed.returncode == 1
    assert "is damaged: warehouse.duckdb is not what it was" in failed.stderr
    assert "no backup 20200101T000000Z" in operations(published, "restore", "20200101T000000Z", check=False).stderr


def test_prune_deletes_what_is_older_than_the_configuration_keeps(published: Workspace) -> None:
    clicks = "select count(distinct file_path) from raw_files.clickstream"
    [(days,)] = published.warehouse(clicks)
    assert days > 30
    for name in ("20200101T000000-000000-by-month", "20200102T000000-000000-by-month"):
        (published.data_dir / "exports" / name).mkdir(parents=True)
    operations(published, "prune")
    assert published.warehouse(clicks) == [(days,)]
    operations(published, "prune", OPERATIONS__KEEP_CLICK_DAYS="9", OPERATIONS__KEEP_EXPORTS="1")
    kept = published.warehouse(
        "select count(distinct regexp_extract(file_path, 'date=([0-9-]+)')) from raw_files.clickstream"
    )
    assert kept[0][0] <= 10
    assert [path.name for path in (published.data_dir / "exports").iterdir()] == ["20200102T000000-000000-by-month"]
