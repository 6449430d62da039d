"""The API source through the command line against a server of its own that misbehaves on purpose."""

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from conftest import Workspace

TOKEN = "secret-token"
Answer = tuple[int, dict[str, str], bytes]
DRIP_SECONDS = 0.3


class Server:
    """A real HTTP server whose answers a test decides: `answer(path, parameters, number of the request)`."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.times: list[float] = []
        self.token = TOKEN
        self.answer: Callable[[str, dict[str, str], int], Answer] = lambda *_: page([])
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                url = urlsplit(self.path)
                parameters = dict(parse_qsl(url.query))
                outer.requests.append((url.path, parameters))
                outer.times.append(time.monotonic())
                authorised = self.headers.get("Authorization") == f"Bearer {outer.token}"
                status, headers, body = (
                    outer.answer(url.path, parameters, len(outer.requests)) if authorised else (401, {}, b"{}")
                )
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if "X-Drip" in headers:
                    drip(self.wfile, body)
                else:
                    self.wfile.write(body)
                self.close_connection = True

            def log_message(self, *_: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


def drip(out: IO[bytes], body: bytes) -> None:
    """Send a byte now and then, until nobody listens."""
    with suppress(OSError):
        for byte in body:
            out.write(bytes([byte]))
            time.sleep(DRIP_SECONDS)


def page(records: list[Any], total_pages: int = 1, **fields: Any) -> Answer:
    """A good answer."""
    return 200, {"X-Total-Pages": str(total_pages)}, json.dumps({"data": records, **fields}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    """A server for one test."""
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def space(server: Server, warm_workspace: Workspace) -> Workspace:
    """An empty warehouse that is loaded from the test's server, impatiently."""
    host, port = server.http.server_address[:2]
    shutil.rmtree(warm_workspace.data_dir, ignore_errors=True)
    warm_workspace.settings = {
        "SOURCES__API__BASE_URL": f"http://{host}:{port}",
        "SOURCES__API__TOKEN": TOKEN,
        "SOURCES__API__MAX_ATTEMPTS": "4",
        "SOURCES__API__MAX_RETRY_DELAY_SECONDS": "2",
        "SOURCES__API__READ_TIMEOUT_SECONDS": "2",
        "SOURCES__API__PAGE_SIZE": "2",
    }
    return warm_workspace


def load(space: Workspace, table: str, **options: Any) -> Any:
    """Load one table of the API."""
    return space.ingest("--source", "api", "--tables", table, **options)


def payment(number: int, **fields: Any) -> dict[str, Any]:
    """A payment; larger numbers changed later."""
    return {
        "payment_id": f"p{number}",
        "amount": f"{number}.10",
        "updated_at": f"2025-01-01T00:00:{number:02}.000000Z",
    } | fields


def test_passing_faults_heal_within_the_run(server: Server, space: Workspace) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=1), usegmt=True)
    faults: list[Answer] = [
        (500, {}, b"oops"),
        (429, {"Retry-After": "1"}, b"{}"),
        (429, {"Retry-After": soon}, b"{}"),
        (200, {}, b'{"data": [{"payment'),
        (200, {"Content-Length": "1000"}, b'{"data": ['),
        (200, {}, b"<html>busy</html>"),
        (200, {}, b'{"error": "busy"}'),
        (200, {}, b""),
    ]
    pages = {None: ([payment(1), payment(2)], "a"), "a": ([], "b"), "b": ([payment(2), payment(3)], None)}

    def answer(_: str, parameters: dict[str, str], number: int) -> Answer:
        # Every other request fails, each time in another way.
        if number % 2 and faults:
            return faults.pop(0)
        if parameters.get("cursor") == "a" and faults:
            return faults.pop(0)
        records, token = pages[parameters.get("cursor")]
        return page(records, next=token)

    server.answer = answer
    space.settings["SOURCES__API__MAX_ATTEMPTS"] = "9"
    load(space, "payments")
    assert not faults
    assert space.warehouse("select payment_id, amount from raw_api.payments order by all") == [
        ("p1", "1.10"),
        ("p2", "2.10"),
        ("p3", "3.10"),
    ]
    # The next run asks for changes only, with an overlap, and finds nothing new.
    server.answer = lambda *_: page([payment(2), payment(3)], next=None)
    server.requests.clear()
    result = load(space, "payments")
    assert server.requests == [("/v1/payments", {"updated_since": "2024-12-31T00:00:03.000000Z", "limit": "2"})]
    assert len(space.warehouse("select distinct _dlt_load_id from raw_api.payments")) == 1, result.stdout


@pytest.mark.parametrize(
    ("table", "answer", "message"),
    [
        ("payments", lambda *_: (503, {}, b""), "answered 503"),
        ("payments", lambda *_: (200, {}, b'{"error": "no"}'), "no list `data`"),
        ("payments", lambda *_: page([payment(1)], next="again"), "same page token twice"),
        ("payments", lambda *_: (200, {"X-Drip": "yes"}, page([payment(1)])[2]), "no end after 1 seconds"),
        ("payments", lambda *_: (302, {"Location": "http://127.0.0.1:9/"}, b""), "no JSON"),
        (
            "sessions",
            lambda _, asked, __: page([{"session_id": "s"}] if asked["page"] != "2" else [], 3),
            "empty page 2 of 3",
        ),
    ],
)
def test_lasting_faults_load_nothing(
    server: Server, space: Workspace, table: str, answer: Callable[..., Answer], message: str
) -> None:
    space.settings |= {"SOURCES__API__MAX_ATTEMPTS": "2", "SOURCES__API__ANSWER_SECONDS": "1"}
    server.answer = answer
    result = load(space, table, check=False)
    assert result.returncode == 1
    assert message in result.stderr and result.stderr.count("\n") == 1, result.stderr
    assert space.warehouse(f"select * from information_schema.tables where table_name = '{table}'") == []


def test_waiting_for_an_api_that_does_not_answer_is_told(server: Server, space: Workspace) -> None:
    # Nobody listens on port 9.
    space.settings |= {"SOURCES__API__MAX_ATTEMPTS": "3", "SOURCES__API__MAX_RETRY_DELAY_SECONDS": "1"}
    result = space.ingest("--source", "api", check=False, SOURCES__API__BASE_URL="http://127.0.0.1:9/shop")
    told = [line for line in result.stdout.splitlines() if "trying again" in line]
    assert told[0].startswith("api: cannot reach http://127.0.0.1:9/shop/")
    # Five endpoints wait, and are told about once.
    assert [line.partition(", ")[2] for line in told] == [
        "trying again in 1 s (try 2 of 3)",
        "trying again in 1 s (try 3 of 3)",
    ]
    assert result.returncode == 1 and "Cannot reach the API" in result.stderr

    server.answer = lambda *_: (503, {}, b"")
    result = load(space, "payments", check=False)
    assert "/v1/payments answered 503, trying again in " in result.stdout
    assert result.stdout.count("trying again") == 2

    server.answer = lambda *_: (200, {}, b"<html>busy</html>")
    result = load(space, "payments", check=False)
    assert "/v1/payments gave no whole answer, trying again in " in result.stdout


def test_a_token_that_expires_while_reading_loses_nothing(server: Server, space: Workspace) -> None:
    def answer(_: str, asked: dict[str, str], number: int) -> Answer:
        if number == 2:
            server.token = "renewed"
        cursor = int(asked.get("cursor", 0))
        return page([payment(cursor)], next=str(cursor + 1) if cursor < 3 else None)

    server.answer = answer
    result = load(space, "payments", check=False)
    assert result.returncode == 1
    assert "refused the token" in result.stderr and result.stderr.count("\n") == 1
    assert space.warehouse("select * from information_schema.tables where table_name = 'payments'") == []
    load(space, "payments", SOURCES__API__TOKEN="renewed")
    assert space.warehouse("select count(*) from raw_api.payments") == [(4,)]


def test_endpoints_are_read_side_by_side_at_the_agreed_pace(server: Server, space: Workspace) -> None:
    in_flight: list[str] = []
    most = 0

    def answer(path: str, asked: dict[str, str], _: int) -> Answer:
        nonlocal most
        in_flight.append(path)
        most = max(most, len(in_flight))
        time.sleep(0.3)
        in_flight.remove(path)
        if path in ("/v1/payments", "/v1/refunds"):
            return page([], next=None if "cursor" in asked else "2")
        return page([{"session_id": asked.get("page"), "spend_date": asked.get("page")}], 2)

    server.answer = answer
    space.settings["SOURCES__API__WINDOW_DAYS"] = "9999"
    space.ingest("--source", "api", SOURCES__API__REQUESTS_PER_SECOND="10")
    assert len({path for path, _ in server.requests}) == 5 and most >= 2
    assert (server.times[-1] - server.times[0]) / (len(server.times) - 1) >= 0.095


@pytest.mark.parametrize("flags", [[], ["--full-refresh"]])
def test_rows_that_move_between_pages_are_there_once(server: Server, space: Workspace, flags: list[str]) -> None:
    rows = {f"s{number}": f"2025-01-01T00:00:{number:02}.000000Z" for number in range(1, 8)}

    def answer(_: str, asked: dict[str, str], number: int) -> Answer:
        if number == 2:
            # While the list is read: an early row changes and moves to the end, and another one is deleted.
            rows["s1"] = "2025-01-01T00:01:00.000000Z"
            del rows["s2"]
        listed = sorted((stamp, key) for key, stamp in rows.items() if stamp >= asked.get("updated_since", ""))
        size, wanted = int(asked["per_page"]), int(asked["page"])
        records = [
            {"session_id": key, "updated_at": stamp} for stamp, key in listed[(wanted - 1) * size : wanted * size]
        ]
        return page(records, -(-len(listed) // size))

    server.answer = answer
    space.ingest("--source", "api", "--tables", "sessions", *flags)
    held = space.warehouse("select session_id, updated_at from raw_api.sessions order by all")
    assert held == sorted((rows | {"s2": "2025-01-01T00:00:02.000000Z"}).items())


def test_pages_without_anything_new_are_no_harm_to_a_full_refresh(server: Server, space: Workspace) -> None:
    pages = {None: ([payment(1)], "a"), "a": ([], "b"), "b": ([payment(1)], None)}

    def answer(_: str, asked: dict[str, str], __: int) -> Answer:
        records, token = pages[asked.get("cursor")]
        return page(records, next=token)

    server.answer = answer
    space.ingest("--source", "api", "--tables", "payments", "--full-refresh")
    assert space.warehouse("select payment_id from raw_api.payments") == [("p1",)]


def test_values_arrive_as_they_were_sent(server: Server, space: Workspace) -> None:
    body = """{"data": [
        {"payment_id": "p1", "amount": "12.50 EUR", "order_id": 123456789012345678901234567890, "new_field": 1.10},
        {"payment_id": "p2", "amount": 12345678901234567890.1234567890, "method": "", "kind": null, "status": true},
        {"payment_id": "p3", "method": {"nested": [1.0, "\\u00e9", null]}, "updated_at": "next tuesday"},
        {"amount": "1.00"},
        {"amount": "2.00"},
        "no record"
    ], "next": null}"""
    server.answer = lambda *_: (200, {}, body.encode())
    for _ in range(2):
        load(space, "payments")
    assert space.warehouse(
        "select payment_id, amount, order_id, new_field, method, kind, status, _record "
        "from raw_api.payments order by all"
    ) == [
        ("p1", "12.50 EUR", "123456789012345678901234567890", "1.10", None, None, None, None),
        ("p2", "12345678901234567890.1234567890", None, None, "", None, "true", None),
        ("p3", None, None, None, '{"nested": [1.0, "é", null]}', None, None, None),
        (None, "1.00", None, None, None, None, None, None),
        (None, "2.00", None, None, None, None, None, None),
        (None, None, None, None, None, None, None, "no record"),
    ]


def test_days_by_date_are_asked_for_again(server: Server, space: Workspace) -> None:
    space.settings |= {"SOURCES__API__START_DATE": "2025-01-01", "SOURCES__API__WINDOW_DAYS": "300"}
    server.answer = lambda _, asked, __: page([{"rate_date": asked["from"], "currency": "USD", "rate": "0.9"}])
    load(space, "fx_rates")
    first = [asked for _, asked in server.requests]
    assert first[0] == {"from": "2025-01-01", "to": "2025-10-27"} and first[1]["from"] == "2025-10-28"
    server.requests.clear()
    load(space, "fx_rates")
    newest = max(asked["from"] for asked in first)
    assert server.requests[0][1]["from"] == str(datetime.fromisoformat(newest).date() - timedelta(days=14))
