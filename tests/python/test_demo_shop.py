"""The demo shop: its numbers add up, every hard case occurs, and it is the same shop however it came about."""

import gzip
import hashlib
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import psycopg2
import pytest
from conftest import ROOT, Workspace

from demo_shop import __main__ as command_line
from demo_shop.state import State

README = (ROOT / "demo_shop" / "README.md").read_text()
SPECIAL_CASES = re.search(r"```sql\n(.*?)```", README, re.DOTALL)[1]


def cases() -> Iterator[tuple[str, str]]:
    """The queries of the README, each with the comment above it."""
    title = ""
    for query in SPECIAL_CASES.split(";\n"):
        comments = [line.removeprefix("-- ") for line in query.splitlines() if line.startswith("--")]
        title = " ".join(comments) or title
        if query.strip():
            yield title, query


def clicks(space: Workspace, pattern: str = "*/*") -> Iterator[tuple[Path, dict]]:
    """Every readable click event with its file."""
    for path in sorted((space.data_dir / "demo_shop" / "files" / "clickstream").glob(f"{pattern}.jsonl.gz")):
        if path.name != "part-0002.jsonl.gz":
            for line in gzip.decompress(path.read_bytes()).splitlines():
                yield path, json.loads(line)


def fingerprint(space: Workspace) -> dict[str, str]:
    """A hash of every table and of all files."""
    tables = space.shop(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_schema in ('shop', 'provider', 'sim') and table_name <> 'clock' order by 1"
    )
    result = {}
    for (table,) in tables:
        [(result[table],)] = space.shop(
            f"select count(*) || ' ' || coalesce(md5(string_agg(item, '' order by item collate \"C\")), '')"
            f" from (select rows::text as item from {table} as rows) as items"
        )
    digest = hashlib.sha256()
    folder = space.data_dir / "demo_shop" / "files"
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(folder)).encode() + path.read_bytes())
    return result | {"files": digest.hexdigest()}


@pytest.fixture
def another(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace for one test; its shop is deleted at the end."""
    space = Workspace(tmp_path / "data")
    yield space
    space.demo("reset")


# The numbers


def test_the_amounts_of_every_order_add_up(tiny_shop: Workspace) -> None:
    assert not tiny_shop.shop(
        """
        with lines as (
            select order_id, sum(quantity * unit_price - discount_amount) as subtotal, sum(tax_amount) as tax
            from shop.order_items
            group by order_id
        )

        select orders.*
        from shop.orders
        inner join shop.stores using (store_id)
        left join lines using (order_id)
        where
            (orders.subtotal_amount = lines.subtotal) is not true
            or (orders.tax_amount = lines.tax) is not true
            or orders.discount_amount not between 0 and orders.subtotal_amount
            or orders.currency <> stores.currency
            or orders.total_amount <> orders.subtotal_amount - orders.discount_amount + orders.shipping_amount
                + case when stores.prices_include_tax then 0 else orders.tax_amount end
        """
    )


def test_the_taxes_of_lines_fit_their_prices(tiny_shop: Workspace) -> None:
    """The highest rate is 19 %; gift cards carry no tax."""
    assert not tiny_shop.shop(
        """
        select *
        from shop.order_items
        where
            tax_amount < 0
            or tax_amount > 0.19 * (quantity * unit_price - discount_amount) + 0.01
            or (is_gift_card and tax_amount <> 0)
            or discount_amount > quantity * unit_price
        """
    )


def test_yen_have_no_minor_units(tiny_shop: Workspace) -> None:
    assert not tiny_shop.shop(
        """
        select amount from (
            select unnest(array[subtotal_amount, discount_amount, shipping_amount, tax_amount, total_amount]) as amount
            from shop.orders where currency = 'JPY'
            union all
            select unnest(array[unit_price, order_items.discount_amount, order_items.tax_amount])
            from shop.order_items inner join shop.orders using (order_id) where currency = 'JPY'
            union all
            select amount from provider.payments where currency = 'JPY'
            union all
            select unnest(array[amount, tax_amount]) from provider.refund_lines
            inner join provider.refunds using (refund_id) where currency = 'JPY'
        ) as amounts
        where amount <> trunc(amount)
        """
    )


def test_payments_reconcile_with_orders_and_refunds(tiny_shop: Workspace) -> None:
    """Money in is the order's total or nothing at all; money back is what the refunds say."""
    assert not tiny_shop.shop(
        """
        with payments as (
            select
                order_id,
                sum(amount) filter (where kind in ('sale', 'capture') and status = 'succeeded') as paid,
                sum(amount) filter (where kind = 'refund') as paid_back
            from provider.payments
            group by order_id
        ),

        lines as (
            select refund_id, sum(amount + tax_amount) as amount
            from provider.refund_lines
            group by refund_id
        ),

        refunds as (
            select order_id, sum(coalesce(lines.amount, 0) + shipping_amount + adjustment_amount) as amount
            from provider.refunds
            left join lines using (refund_id)
            group by order_id
        )

        select *
        from shop.orders
        left join payments using (order_id)
        left join refunds using (order_id)
        where
            payments.paid <> orders.total_amount
            or (orders.status in ('shipped', 'delivered', 'returned') and payments.paid is null)
            or coalesce(payments.paid_back, 0) <> coalesce(refunds.amount, 0)
            or refunds.amount > orders.total_amount
        """
    )


def test_stock_levels_are_the_sum_of_the_movements(tiny_shop: Workspace) -> None:
    levels = tiny_shop.shop("select product_id, location_code, on_hand from shop.inventory_levels")
    moved: dict[tuple, int] = {}
    for path in (tiny_shop.data_dir / "demo_shop" / "files" / "inventory_events").glob("*/events.jsonl"):
        for event in map(json.loads, path.read_text().splitlines()):
            place = event["product_id"], event["location_code"]
            moved[place] = moved.get(place, 0) + event["quantity_delta"]
    assert levels
    assert all(moved[product, location] == on_hand for product, location, on_hand in levels)


def test_the_shop_looks_like_a_shop(tiny_shop: Workspace) -> None:
    [(margin, refunds, shares)] = tiny_shop.shop(
        """
        select
            (
                select 1 - sum(quantity * unit_cost) / sum(quantity * unit_price)
                from shop.order_items where unit_price > 0 and not is_gift_card and unit_cost is not null
            ),
            (select count(distinct order_id)::numeric from provider.refunds) / (select count(*) from shop.orders),
            (select count(distinct product_id) from shop.order_items)
        """
    )
    assert 0.3 < margin < 0.6
    assert 0.02 < refunds < 0.09
    assert shares > 15


# Every hard case


@pytest.mark.parametrize(("title", "query"), list(cases()))
def test_every_special_case_of_the_readme_occurs(tiny_shop: Workspace, title: str, query: str) -> None:
    assert tiny_shop.shop(query), title


def test_events_are_delivered_twice_late_and_by_clocks_that_run_ahead(tiny_shop: Workspace) -> None:
    files: dict[str, set[Path]] = {}
    late = ahead = 0
    for path, event in clicks(tiny_shop):
        files.setdefault(event["event_id"], set()).add(path)
        folder = date.fromisoformat(path.parent.name.removeprefix("date="))
        days = (folder - date.fromisoformat(event["occurred_at"][:10])).days
        assert days <= 6
        late += days > 1
        ahead += event["occurred_at"] > event["received_at"]
    assert any(len(paths) == 2 for paths in files.values())
    assert late
    assert ahead


def test_one_day_brings_no_file(tiny_shop: Workspace) -> None:
    days = {path.parent.name for path, _ in clicks(tiny_shop)}
    assert "date=2024-03-05" not in days
    assert {"date=2024-03-04", "date=2024-03-06"} <= days
    assert any(event["received_at"].startswith("2024-03-05") for _, event in clicks(tiny_shop, "date=2024-03-06/*"))


def test_files_are_damaged_in_every_way(tiny_shop: Workspace) -> None:
    folder = tiny_shop.data_dir / "demo_shop" / "files"
    packed = folder / "clickstream" / "date=2024-01-10" / "part-0002.jsonl.gz"
    first, comma, latin, nul, array, no_id, impossible, unknown, last = gzip.decompress(
        packed.read_bytes()
    ).splitlines()
    assert json.loads(first)["event_id"] == "ev-x1"
    assert json.loads(last)["event_id"] == "ev-x9"
    with pytest.raises(json.JSONDecodeError):
        json.loads(comma)
    with pytest.raises(UnicodeDecodeError):
        latin.decode()
    assert b"\x00" in nul
    assert isinstance(json.loads(array), list)
    assert "event_id" not in json.loads(no_id)
    with pytest.raises(ValueError, match="day"):
        date.fromisoformat(json.loads(impossible)["occurred_at"][:10])
    assert json.loads(unknown)["event_type"] == "mind_reading"

    whole = gzip.decompress((folder / "clickstream" / "date=2024-01-11" / "part-0002.jsonl.gz").read_bytes())
    assert not whole.endswith(b"\n")
    with pytest.raises(EOFError):
        gzip.decompress((folder / "clickstream" / "date=2024-01-12" / "part-0002.jsonl.gz").read_bytes())
    assert '"three"' in (folder / "inventory_events" / "date=2024-01-15" / "events-0001.jsonl").read_text()
    prices = (folder / "supplier_prices" / "prices_2024-02.csv").read_text().splitlines()
    assert [row.count(",") for row in prices[-3:]] == [4, 4, 6]
    assert "on request" in prices[-3]
    assert prices[-2].startswith(",")


# The same shop however it came about


def test_time_passes_the_same_in_one_step_and_in_many(tmp_path: Path) -> None:
    once, often = Workspace(tmp_path / "once"), Workspace(tmp_path / "often")
    try:
        once.demo("start", "--size", "tiny", "--days", "400")
        once.connect_shop()
        often.demo("start", "--size", "tiny", "--days", "330")
        often.connect_shop()
        for days in ("1", "59", "10"):
            often.demo("advance", "--days", days)
        assert fingerprint(often) == fingerprint(once)
    finally:
        once.demo("reset")
        often.demo("reset")


def test_another_seed_is_another_shop_with_the_same_cases(another: Workspace, tiny_shop: Workspace) -> None:
    another.demo("start", "--size", "tiny", "--seed", "7")
    another.connect_shop()
    assert fingerprint(another)["shop.orders"] != fingerprint(tiny_shop)["shop.orders"]
    assert not [title for title, query in cases() if not another.shop(query)]


def test_an_interrupted_start_is_finished_by_the_next(another: Workspace, tiny_shop: Workspace) -> None:
    for milestone in ("orders", "files"):
        process = subprocess.Popen(
            [sys.executable, "-m", "demo_shop", "start", "--size", "tiny"],
            cwd=ROOT,
            env=another.env,
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in process.stdout:
            if line.rstrip().endswith(f": {milestone}"):
                break
        process.send_signal(signal.SIGKILL)
        process.communicate()
    another.demo("start", "--size", "tiny")
    another.connect_shop()
    assert fingerprint(another) == fingerprint(tiny_shop)


# The servers


def pids(space: Workspace) -> list[str]:
    """The processes of the servers."""
    return re.findall(r"pid (\d+)", space.demo("status").stdout)


def test_a_second_start_changes_nothing(tiny_shop: Workspace) -> None:
    before = pids(tiny_shop)
    assert "already running" in tiny_shop.demo("start").stdout
    assert "already running" in tiny_shop.demo("start", "--size", "tiny", "--seed", "42").stdout
    assert len(before) == 2
    assert pids(tiny_shop) == before


def test_stop_and_start_keep_the_shop_and_its_ports(tiny_shop: Workspace) -> None:
    before, connections = fingerprint(tiny_shop), tiny_shop.demo("env").stdout
    tiny_shop.demo("stop")
    assert tiny_shop.demo("status").stdout.count("stopped") == 2
    tiny_shop.demo("stop")
    tiny_shop.demo("start")
    assert tiny_shop.demo("env").stdout == connections
    assert fingerprint(tiny_shop) == before


def test_make_without_a_size_keeps_the_shop_there_is(tiny_shop: Workspace) -> None:
    demo = tiny_shop.run("make", "--dry-run", "demo", MAKEFLAGS="").stdout.splitlines()
    [planned] = [line for line in demo if line.startswith(".venv/bin/python -m demo_shop start")]
    # The connections of this repository's own shop stay as they are.
    assert "already running" in tiny_shop.run(*planned.replace("--write-secrets", "").split()).stdout
    warehouse = ("make", "--dry-run", "warehouse", "TARGET=postgres")
    assert "--small" in tiny_shop.run(*warehouse, MAKEFLAGS="").stdout
    assert "--small" not in tiny_shop.run(*warehouse, "SIZE=large", MAKEFLAGS="").stdout


def test_another_size_or_seed_needs_a_reset(tiny_shop: Workspace) -> None:
    for option in (("--size", "small"), ("--seed", "1"), ("--days", "10")):
        result = tiny_shop.demo("start", *option, check=False)
        assert result.returncode == 1
        assert len(result.stderr.splitlines()) == 1
        assert "reset" in result.stderr


def test_a_port_that_is_taken_gets_one_clear_line_and_leaves_nothing(another: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = str(server.getsockname()[1])
        for option in ("--postgres-port", "--api-port"):
            result = another.demo("start", "--size", "tiny", option, taken, check=False)
            assert result.returncode == 1
            assert result.stderr == (
                f"demo shop: Port {taken} on 127.0.0.1 is taken. Free it, or give another one with {option}.\n"
            )
    assert not (another.data_dir / "demo_shop" / "state.json").exists()


def test_an_unreachable_server_gets_one_clear_line(another: Workspace) -> None:
    url = "postgresql://somebody:secret@127.0.0.1:1/shop"
    result = another.demo("start", "--size", "tiny", "--postgres-url", url, check=False)
    assert result.returncode == 1
    assert "Cannot connect to the shop's PostgreSQL at 127.0.0.1:1" in result.stderr
    assert "secret" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_server_by_url_holds_the_same_shop(another: Workspace, tiny_shop: Workspace) -> None:
    connection = psycopg2.connect(tiny_shop.settings["DEMO_SHOP_ADMIN_URL"])
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("create database another_shop")
    connection.close()
    url = tiny_shop.settings["DEMO_SHOP_ADMIN_URL"].removesuffix("/shop") + "/another_shop"
    another.demo("start", "--size", "tiny", "--postgres-url", url)
    another.connect_shop()
    try:
        assert fingerprint(another) == fingerprint(tiny_shop)
    finally:
        another.demo("reset")
        # both shops share the server's roles: give the first one its passwords back
        tiny_shop.demo("start")


def test_what_is_private_is_private(tiny_shop: Workspace) -> None:
    folder = tiny_shop.data_dir / "demo_shop"
    assert (folder / "state.json").stat().st_mode & 0o077 == 0
    assert (folder / "postgres").stat().st_mode & 0o077 == 0


def test_the_loader_only_reads_the_shop(tiny_shop: Workspace) -> None:
    url = tiny_shop.settings["SOURCES__SHOP__CREDENTIALS"].replace("+psycopg2", "")
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("select count(*) > 100 from shop.orders")
        assert cursor.fetchone() == (True,)
        cursor.execute("select pg_has_role('pg_read_all_stats', 'usage')")
        assert cursor.fetchone() == (True,)
        cursor.execute("show default_transaction_read_only")
        assert cursor.fetchone() == ("on",)
        cursor.execute("set default_transaction_read_only = off")
        for forbidden in (
            "update shop.orders set total_amount = 0",
            "delete from shop.orders",
            "create table shop.mine (id integer)",
            "select * from provider.payments",
            "select * from sim.params",
        ):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                cursor.execute(forbidden)
    connection.close()


def test_a_persons_own_update_gets_the_shops_time(another: Workspace) -> None:
    another.demo("start", "--size", "tiny", "--days", "20")
    another.connect_shop()
    change = "update shop.orders set channel = 'app' where order_id = %s returning updated_at >= '2024-01-21'"
    assert another.shop(change % 3) == [(True,)]
    [(first,)] = another.shop("update shop.orders set channel = 'web' where order_id = 3 returning updated_at")
    [(second,)] = another.shop("update shop.orders set channel = 'app' where order_id = 3 returning updated_at")
    assert second > first
    explicit = "update shop.orders set updated_at = '2020-01-01' where order_id = 3 returning updated_at < '2021-01-01'"
    assert another.shop(explicit) == [(True,)]


def test_commands_without_a_shop_say_how_to_make_one(another: Workspace) -> None:
    for command in ("status", "env", "advance"):
        result = another.demo(command, check=False)
        assert result.returncode == 1
        assert result.stderr.startswith("demo shop: There is no demo shop yet. Run `make demo`")
    assert another.demo("stop").returncode == 0


# The API


class Client:
    """Asks the API and tries again when it fails, as any client must."""

    def __init__(self, space: Workspace) -> None:
        self.base, self.token = space.settings["SOURCES__API__BASE_URL"], space.settings["SOURCES__API__TOKEN"]
        self.faults: list[str] = []

    def get(self, path: str, **parameters: object) -> tuple[dict, dict]:
        """The body and the headers of an answer."""
        request = Request(
            f"{self.base}{path}?{urlencode(parameters)}", headers={"Authorization": f"Bearer {self.token}"}
        )
        for _ in range(30):
            try:
                with urlopen(request, timeout=10) as answer:
                    return json.load(answer), dict(answer.headers)
            except HTTPError as error:
                if error.code not in (429, 500):
                    raise
                if error.code == 429:
                    assert error.headers["Retry-After"] == "1"
                self.faults.append(str(error.code))
            except (OSError, HTTPException):
                self.faults.append("reset")
        raise AssertionError(f"{path} failed 30 times in a row")

    def by_cursor(self, path: str, **parameters: object) -> Iterator[dict]:
        """All records of an endpoint with cursors."""
        more: dict = {}
        while True:
            answer, _ = self.get(path, **parameters, **more)
            yield from answer["data"]
            if not answer["next"]:
                return
            more = {"cursor": answer["next"]}

    def by_page(self, path: str, **parameters: object) -> Iterator[dict]:
        """All records of an endpoint with pages."""
        page = pages = 1
        while page <= pages:
            answer, headers = self.get(path, **parameters, page=page)
            yield from answer["data"]
            page, pages = page + 1, int(headers["X-Total-Pages"])


@pytest.fixture
def client(tiny_shop: Workspace) -> Iterator[Client]:
    """A client of an API that fails at every fourth request."""
    tiny_shop.demo("start", "--fault-rate", "0.25")
    yield Client(tiny_shop)
    tiny_shop.demo("start", "--fault-rate", "0.02")


def test_paging_is_complete_in_spite_of_faults(tiny_shop: Workspace, client: Client) -> None:
    malformed = dict(tiny_shop.shop("select endpoint, count(*) from provider.malformed_records group by 1"))
    served = {
        "payments": [row["payment_id"] for row in client.by_cursor("/v1/payments", limit=50)],
        "refunds": [row["refund_id"] for row in client.by_cursor("/v1/refunds", limit=7)],
        "sessions": [row["session_id"] for row in client.by_page("/analytics/sessions", per_page=100)],
        "campaign_spend": [
            (row["spend_date"], row["channel"], row["campaign"]) for row in client.by_page("/v1/campaign_spend")
        ],
        "fx_rates": [(row["rate_date"], row["currency"]) for row in client.get("/v1/fx_rates")[0]["data"]],
    }
    for endpoint, keys in served.items():
        [(stored,)] = tiny_shop.shop(f"select count(*) from provider.{endpoint}")
        assert len(keys) == len(set(keys)) == stored + malformed[endpoint], endpoint
    assert set(client.faults) == {"429", "500", "reset"}


def test_change_filters_are_inclusive(tiny_shop: Workspace, client: Client) -> None:
    [(since,)] = tiny_shop.shop(
        'select to_char(max(updated_at), \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\') from provider.payments'
    )
    assert {row["updated_at"] for row in client.by_cursor("/v1/payments", updated_since=since)} == {since}
    rates = client.get("/v1/fx_rates", **{"from": "2024-05-03", "to": "2024-05-06"})[0]["data"]
    assert {row["rate_date"] for row in rates} == {"2024-05-03", "2024-05-06"}  # the 4th and 5th are a weekend
    spend = client.by_page("/v1/campaign_spend", **{"from": "2024-05-03", "to": "2024-05-04"}, per_page=3)
    assert {row["spend_date"] for row in spend} == {"2024-05-03", "2024-05-04"}


def test_refunds_carry_their_lines_and_amounts_are_text(tiny_shop: Workspace, client: Client) -> None:
    refunds = {row["refund_id"]: row for row in client.by_cursor("/v1/refunds")}
    stored = tiny_shop.shop("select refund_id, order_item_id, amount::text from provider.refund_lines")
    served = [
        (refund, line["order_item_id"], line["amount"]) for refund in refunds for line in refunds[refund]["lines"]
    ]
    assert sorted(served) == sorted(stored)
    assert refunds["bad-amount"]["shipping_amount"] == "none"


def test_sessions_rename_a_field_on_a_day(client: Client) -> None:
    for row in client.by_page("/analytics/sessions", per_page=500):
        renamed = row["updated_at"] >= "2024-09-01"
        assert ("landing_page_url" in row, "landing_page" in row) == (renamed, not renamed)


def test_refusals_are_clear(tiny_shop: Workspace) -> None:
    client = Client(tiny_shop)
    for path, token, code, text in (
        ("/v1/payments", "wrong", 401, "token"),
        ("/v1/nothing", client.token, 404, "no such endpoint"),
        ("/v1/payments?limit=5000", client.token, 400, "limit"),
        ("/v1/payments?cursor=abc", client.token, 400, "cursor"),
        ("/v1/payments?since=2024-01-01", client.token, 400, "since"),
        ("/v1/fx_rates?from=yesterday", client.token, 400, "from"),
    ):
        request = Request(client.base + path, headers={"Authorization": f"Bearer {token}"})
        for _ in range(10):
            with pytest.raises((HTTPError, OSError)) as refusal:
                urlopen(request, timeout=10)
            if getattr(refusal.value, "code", 500) not in (429, 500):
                break
        assert getattr(refusal.value, "code", None) == code
        assert text in json.load(refusal.value)["error"]
    with urlopen(f"{client.base}/health", timeout=10) as answer:
        assert json.load(answer) == {"status": "ok"}


def test_the_friday_night_incident_can_be_replayed(tiny_shop: Workspace) -> None:
    client = Client(tiny_shop)
    for option, field in (((), "amount_value"), (("--undo",), "amount")):
        tiny_shop.demo("incident", "rename-amount", *option)
        [payment] = client.get("/v1/payments", limit=1)[0]["data"]
        assert [name for name in payment if name.startswith("amount")] == [field]


# The secrets file


def test_secrets_are_written_unless_a_person_wrote_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    secrets = tmp_path / ".dlt" / "secrets.toml"
    monkeypatch.setattr(command_line, "SECRETS", secrets)
    monkeypatch.setenv("STOREHOUSE_DATA_DIR", str(tmp_path / "data"))
    state = State(size="tiny", seed=42, days=420, postgres_port=5001, api_port=5002)
    for _ in range(2):
        command_line.write_secrets(state)
    text = secrets.read_text()
    assert f"postgresql+psycopg2://storehouse_loader:{state.loader_password}@127.0.0.1:5001/shop" in text
    assert f'token = "{state.api_token}"' in text
    assert secrets.stat().st_mode & 0o077 == 0

    secrets.write_text("[sources.shop]\n")
    command_line.write_secrets(state)
    assert secrets.read_text() == "[sources.shop]\n"
    assert "stays as it is" in capsys.readouterr().out
