"""The HTTP API of the shop's other providers: payments, marketing and web analytics, with their usual weaknesses.

Runs in its own process (`python -m demo_shop.api`), started by `python -m demo_shop start`. It only reads. A share of
the requests fails on purpose: with 429, with 500, or with a connection that breaks. Which ones is decided by the seed
and the number of the request, so a request that failed may be sent again.
"""

import base64
import hashlib
import hmac
import json
import socket
import struct
import sys
import threading
from contextlib import contextmanager
from datetime import date, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, urlsplit

import psycopg2
from psycopg2.extensions import make_dsn
from psycopg2.pool import ThreadedConnectionPool

from demo_shop import postgres
from demo_shop.state import State, load_state, shop_dir

DEFAULT_PAGE, LARGEST_PAGE, CONNECTIONS = 100, 1000, 8
TIMESTAMP = """'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'"""

# What an endpoint serves: a table, its key and the time of its last change, and the fields of a record.
ENDPOINTS = {
    "payments": (
        "provider.payments",
        "payment_id",
        "updated_at",
        f"""
        'payment_id', payment_id, 'order_id', order_id, 'kind', kind, 'status', status, 'method', method,
        'amount', amount::text, 'currency', currency,
        'created_at', to_char(created_at, {TIMESTAMP}), 'updated_at', to_char(updated_at, {TIMESTAMP})
        """,
    ),
    "refunds": (
        "provider.refunds",
        "refund_id",
        "updated_at",
        f"""
        'refund_id', refund_id, 'order_id', order_id, 'currency', currency, 'reason', reason,
        'shipping_amount', shipping_amount::text, 'adjustment_amount', adjustment_amount::text,
        'refunded_at', to_char(refunded_at, {TIMESTAMP}), 'updated_at', to_char(updated_at, {TIMESTAMP}),
        'lines', (
            select coalesce(
                json_agg(
                    json_build_object(
                        'order_item_id', order_item_id, 'quantity', quantity, 'amount', amount::text,
                        'tax_amount', tax_amount::text, 'restock', restock
                    ) order by order_item_id
                ),
                '[]'
            )
            from provider.refund_lines
            where refund_lines.refund_id = fields.refund_id
        )
        """,
    ),
    "fx_rates": (
        "provider.fx_rates",
        "rate_date::text || ' ' || currency",
        "rate_date::timestamp at time zone 'UTC'",
        "'rate_date', rate_date, 'currency', currency, 'rate', rate::text",
    ),
    "campaign_spend": (
        "provider.campaign_spend",
        "spend_date::text || ' ' || channel || ' ' || campaign",
        "spend_date::timestamp at time zone 'UTC'",
        """
        'spend_date', spend_date, 'channel', channel, 'campaign', campaign, 'amount', amount::text,
        'currency', currency, 'impressions', impressions, 'clicks', clicks
        """,
    ),
    # the provider renamed landing_page on 2024-09-01
    "sessions": (
        "provider.sessions",
        "session_id",
        "updated_at",
        f"""
        'session_id', session_id, 'customer_id', customer_id, 'anonymous_id', anonymous_id, 'device', device,
        'utm_source', utm_source, 'utm_medium', utm_medium, 'utm_campaign', utm_campaign, 'referrer', referrer,
        case when updated_at < '2024-09-01 00:00:00+00' then 'landing_page' else 'landing_page_url' end, landing_page,
        'started_at', to_char(started_at, {TIMESTAMP}), 'ended_at', to_char(ended_at, {TIMESTAMP}),
        'updated_at', to_char(updated_at, {TIMESTAMP})
        """,
    ),
}


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: HTTPStatus, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers


class Store:
    """Reads records in pages, in an order that never changes: by time of update, then by key."""

    def __init__(self, state: State) -> None:
        where = postgres.address(state) | {"user": "storehouse_provider", "password": state.api_password}
        self.pool = ThreadedConnectionPool(1, CONNECTIONS, make_dsn(**where), options="-c timezone=UTC")
        self.turns = threading.BoundedSemaphore(CONNECTIONS)
        self.incidents = state.incidents

    @contextmanager
    def cursor(self):
        """A cursor of a connection that is given back, or thrown away when it broke."""
        with self.turns:
            connection = self.pool.getconn()
            try:
                with connection, connection.cursor() as cursor:
                    yield cursor
            finally:
                self.pool.putconn(connection, close=bool(connection.closed))

    def rows(self, endpoint: str) -> str:
        """All records of an endpoint, proper and malformed ones together, not yet made into JSON."""
        table, key, changed, _ = ENDPOINTS[endpoint]
        return f"""
            (
                select {key} as sort_key, {changed} as changed_at, item, null::json as malformed
                from {table} as item
                union all
                select sort_key, updated_at, null, record
                from provider.malformed_records
                where endpoint = '{endpoint}'
            ) as records
        """

    def records(self, endpoint: str, where: str, values: list, tail: str) -> list[tuple]:
        """Rows of (changed_at, sort_key, record as text); the JSON is made for the rows of the page only."""
        fields = ENDPOINTS[endpoint][3]
        if endpoint == "payments" and "rename-amount" in self.incidents:
            fields = fields.replace("'amount'", "'amount_value'")
        query = f"""
            select changed_at, sort_key, coalesce(malformed, json_build_object({fields}))::text
            from (
                select * from {self.rows(endpoint)} where {where} order by changed_at, sort_key {tail}
            ) as page
            cross join lateral (select (page.item).*) as fields
            order by changed_at, sort_key
        """
        with self.cursor() as cursor:
            cursor.execute(query, values)
            return cursor.fetchall()

    def count(self, endpoint: str, where: str, values: list) -> int:
        """How many records match."""
        with self.cursor() as cursor:
            cursor.execute(f"select count(*) from {self.rows(endpoint)} where {where}", values)
            return cursor.fetchone()[0]


class Query:
    """The parameters of one request; anything unknown or unreadable is refused."""

    def __init__(self, text: str, allowed: tuple[str, ...]) -> None:
        self.values = {key: values[-1] for key, values in parse_qs(text).items()}
        if unknown := sorted(self.values.keys() - set(allowed)):
            raise Refused(HTTPStatus.BAD_REQUEST, f"unknown parameter: {', '.join(unknown)}")

    def number(self, name: str, default: int, largest: int) -> int:
        """A whole number from 1 to `largest`."""
        value = self.values.get(name, str(default))
        if not value.isdecimal() or not 1 <= int(value) <= largest:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be a number from 1 to {largest}")
        return int(value)

    def moment(self, name: str) -> datetime | None:
        """A timestamp with a time zone."""
        return self.parsed(name, datetime.fromisoformat, "a timestamp such as 2025-01-31T00:00:00Z")

    def day(self, name: str) -> date | None:
        """A date."""
        return self.parsed(name, date.fromisoformat, "a date such as 2025-01-31")

    def parsed(self, name: str, parse, what: str):
        """A parameter, or None when it is not given."""
        if not (value := self.values.get(name)):
            return None
        try:
            return parse(value.replace(" ", "+"))
        except ValueError:
            raise Refused(HTTPStatus.BAD_REQUEST, f"{name} must be {what}") from None


def encode_cursor(changed_at: datetime, sort_key: str) -> str:
    """Where a page ended, as a token nobody needs to understand."""
    return base64.urlsafe_b64encode(json.dumps([changed_at.isoformat(), sort_key]).encode()).decode()


def decode_cursor(token: str) -> tuple[datetime, str]:
    """The place a token stands for."""
    try:
        changed_at, sort_key = json.loads(base64.urlsafe_b64decode(token.encode()))
        return datetime.fromisoformat(changed_at), str(sort_key)
    except (ValueError, TypeError):
        raise Refused(HTTPStatus.BAD_REQUEST, "cursor is not a token of this API") from None


Answer = tuple[str, dict[str, str]]


def body(rows: list[tuple], **more: object) -> str:
    """A list answer. The records are JSON text already and go out as Postgres wrote them."""
    fields = [f'"data": [{", ".join(record for _, _, record in rows)}]']
    fields += [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in more.items()]
    return "{" + ", ".join(fields) + "}"


def by_cursor(store: Store, endpoint: str, text: str) -> Answer:
    """Pages that begin where the last one ended."""
    query = Query(text, ("limit", "cursor", "updated_since"))
    limit = query.number("limit", DEFAULT_PAGE, LARGEST_PAGE)
    where, values = ["true"], []
    if since := query.moment("updated_since"):
        where.append("changed_at >= %s")
        values.append(since)
    if token := query.values.get("cursor"):
        where.append("(changed_at, sort_key) > (%s, %s)")
        values.extend(decode_cursor(token))
    rows = store.records(endpoint, " and ".join(where), values, f"limit {limit + 1}")
    following = encode_cursor(*rows[limit - 1][:2]) if len(rows) > limit else None
    return body(rows[:limit], next=following), {}


def by_page(store: Store, endpoint: str, text: str) -> Answer:
    """Numbered pages; the header tells how many there are."""
    span = ("updated_since",) if endpoint == "sessions" else ("from", "to")
    query = Query(text, ("page", "per_page", *span))
    page, size = query.number("page", 1, 10**9), query.number("per_page", DEFAULT_PAGE, LARGEST_PAGE)
    where, values = between(query, span)
    total = store.count(endpoint, where, values)
    rows = store.records(endpoint, where, values, f"limit {size} offset {(page - 1) * size}")
    return body(rows), {"X-Total-Pages": str(-(-total // size)), "X-Total-Count": str(total)}


def all_at_once(store: Store, endpoint: str, text: str) -> Answer:
    """Everything in one answer."""
    query = Query(text, ("from", "to"))
    return body(store.records(endpoint, *between(query, ("from", "to")), "")), {}


def between(query: Query, names: tuple[str, ...]) -> tuple[str, list]:
    """The change filter: `updated_since`, or `from` and `to`, all inclusive."""
    where, values = ["true"], []
    for name in names:
        value = query.moment(name) if name == "updated_since" else query.day(name)
        if value:
            where.append(f"changed_at {'<=' if name == 'to' else '>='} %s")
            values.append(value)
    return " and ".join(where), values


ROUTES = {
    "/v1/payments": ("payments", by_cursor),
    "/v1/refunds": ("refunds", by_cursor),
    "/v1/fx_rates": ("fx_rates", all_at_once),
    "/v1/campaign_spend": ("campaign_spend", by_page),
    "/analytics/sessions": ("sessions", by_page),
}


class Handler(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_GET(self) -> None:
        """Answer a request, or fail it on purpose."""
        url = urlsplit(self.path)
        if url.path == "/health":
            self.answer(HTTPStatus.OK, '{"status": "ok"}')
            return
        try:
            if not hmac.compare_digest(self.headers.get("Authorization", ""), f"Bearer {self.server.state.api_token}"):
                raise Refused(
                    HTTPStatus.UNAUTHORIZED, "missing or wrong bearer token", **{"WWW-Authenticate": "Bearer"}
                )
            if url.path not in ROUTES:
                raise Refused(HTTPStatus.NOT_FOUND, f"no such endpoint: {url.path}")
            if self.fails_on_purpose():
                return
            endpoint, pager = ROUTES[url.path]
            text, headers = pager(self.server.store, endpoint, url.query)
            self.answer(HTTPStatus.OK, text, **headers)
        except Refused as refused:
            self.answer(refused.status, json.dumps({"error": str(refused)}), **refused.headers)
        except psycopg2.Error as error:
            self.log_message("database: %s", str(error).strip())
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, '{"error": "the store is not reachable"}')

    def fails_on_purpose(self) -> bool:
        """Fail the share of requests that the shop was started with."""
        number = next(self.server.requests)
        digest = hashlib.sha256(f"{self.server.state.seed} {number}".encode()).digest()
        chance, kind = (int.from_bytes(part) / 2**32 for part in (digest[:4], digest[4:8]))
        if chance >= self.server.state.fault_rate:
            return False
        if kind < 0.4:
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many requests", **{"Retry-After": "1"})
        if kind < 0.8:
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here")
        self.log_message("connection reset on purpose")
        # closing with unsent data discarded makes the peer see a reset
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True
        return True

    def answer(self, status: HTTPStatus, text: str, **headers: str) -> None:
        """Send JSON."""
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *arguments: object) -> None:
        """One line per request into the access log."""
        print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {format % arguments}", file=sys.stderr, flush=True)


class Server(ThreadingHTTPServer):
    """The server; listens on loopback only."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, state: State) -> None:
        super().__init__(("127.0.0.1", state.api_port), Handler)
        self.state, self.store, self.requests = state, Store(state), count(1)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away, or a connection this server broke on purpose: one line is enough."""
        print(
            f"{datetime.now():%Y-%m-%d %H:%M:%S} connection ended: {sys.exc_info()[1]!r}", file=sys.stderr, flush=True
        )


def main() -> None:
    """Serve until the process is ended."""
    state = load_state()
    if state is None:
        sys.exit(f"There is no demo shop in {shop_dir()}. Run `python -m demo_shop start`.")
    Server(state).serve_forever()


if __name__ == "__main__":
    main()
