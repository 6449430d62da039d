"""The payment, marketing and analytics API: five endpoints, every field as text exactly as received.

What: `ENDPOINTS` below, each into a table of its own. Alone: `python -m ingestion --source api`.

Records are merged on their natural key. Endpoints with `updated_since` start a little before the newest record seen,
those by date some days before the newest date, because providers correct recent days. Nested fields stay JSON text in
one column and numbers keep their digits: staging is the one place that casts. A field nobody declared gets a column of
its own; a record without its key is kept under a hash, for staging to reject.
"""

import hashlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dlt
import pyarrow as pa
from dlt.common.configuration import with_config
from dlt.common.typing import TSecretStrValue
from dlt.sources import DltResource
from dlt.sources.helpers import requests
from dlt.sources.helpers.rest_client import RESTClient
from dlt.sources.helpers.rest_client.auth import BearerTokenAuth
from dlt.sources.helpers.rest_client.paginators import BasePaginator, SinglePagePaginator
from requests import Response
from requests.exceptions import ChunkedEncodingError, ConnectionError, HTTPError, ReadTimeout
from tenacity import RetryCallState

from ingestion.sources import Days
from ingestion.sources.pages import ChangePages, CursorPages, NumberedPages, asked

MERGE = {"disposition": "merge", "strategy": "delete-insert"}
SECONDS_OF_SILENCE = 10
RECORD_KEY = "_record_key"


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: where it is, what identifies a record, how its pages and its changes are asked for."""

    path: str
    key: tuple[str, ...]
    fields: tuple[str, ...]
    pages: Callable[[], BasePaginator]
    changed_by: str  # the field that says when a record changed; when it is part of the key, a date
    size_parameter: str | None = None  # how the size of a page is asked for

    @property
    def by_date(self) -> bool:
        """Whether changes are asked for by date instead of by `updated_since`."""
        return self.changed_by in self.key


ENDPOINTS = {
    "payments": Endpoint(
        path="v1/payments",
        key=("payment_id",),
        fields=("order_id", "kind", "status", "method", "amount", "currency", "created_at", "updated_at"),
        pages=CursorPages,
        changed_by="updated_at",
        size_parameter="limit",
    ),
    "refunds": Endpoint(
        path="v1/refunds",
        key=("refund_id",),
        fields=(
            "order_id",
            "currency",
            "reason",
            "shipping_amount",
            "adjustment_amount",
            "refunded_at",
            "updated_at",
            "lines",
        ),
        pages=CursorPages,
        changed_by="updated_at",
        size_parameter="limit",
    ),
    "fx_rates": Endpoint(
        path="v1/fx_rates",
        key=("rate_date", "currency"),
        fields=("rate",),
        pages=SinglePagePaginator,
        changed_by="rate_date",
    ),
    "campaign_spend": Endpoint(
        path="v1/campaign_spend",
        key=("spend_date", "channel", "campaign"),
        fields=("amount", "currency", "impressions", "clicks"),
        pages=NumberedPages,
        changed_by="spend_date",
        size_parameter="per_page",
    ),
    "sessions": Endpoint(
        path="analytics/sessions",
        key=("session_id",),
        fields=(
            "customer_id",
            "anonymous_id",
            "device",
            "utm_source",
            "utm_medium",
            "utm_campaign",
            "referrer",
            "landing_page",
            "landing_page_url",
            "started_at",
            "ended_at",
            "updated_at",
        ),
        pages=ChangePages,
        changed_by="updated_at",
        size_parameter="per_page",
    ),
}


class Number(str):
    """A JSON number, with the digits it was sent with."""


class Client(RESTClient):
    """dlt's client, taking the records that `check_answer` has parsed already."""

    def extract_response(self, response: Response, data_selector: Any) -> list[Any]:
        """Return the records of a page."""
        return response.body["data"]


class Pace:
    """Spaces requests evenly, whichever endpoint asks."""

    def __init__(self, requests_per_second: float) -> None:
        self.interval = 1 / requests_per_second if requests_per_second else 0
        self.lock = threading.Lock()
        self.free_at = 0.0

    def keep(self, pages: Iterator[Any]) -> Iterator[Any]:
        """Ask for the next page when it is its turn."""
        while True:
            with self.lock:
                turn = max(self.free_at, time.monotonic())
                self.free_at = turn + self.interval
            time.sleep(max(0, turn - time.monotonic()))
            try:
                yield next(pages)
            except StopIteration:
                return


class Patience:
    """Says that the API is asked again and when, so that waiting does not look like hanging: once for all endpoints."""

    def __init__(self, say: Callable[[str], None], max_attempts: int) -> None:
        self.say = say
        self.max_attempts = max_attempts
        self.lock = threading.Lock()
        self.told = 0
        self.told_at = 0.0

    def tell(self, retry: RetryCallState) -> None:
        """Say what happened, unless another endpoint just said the same."""
        with self.lock:
            now = time.monotonic()
            if retry.attempt_number <= self.told and now - self.told_at < SECONDS_OF_SILENCE:
                return
            self.told, self.told_at = retry.attempt_number, now
        address = retry.args[0].url.split("?")[0]
        match retry.outcome.exception():
            case HTTPError(response=response):
                happened = f"{address} answered {response.status_code}"
            case ConnectionError():
                happened = f"cannot reach {address}"
            case _:
                happened = f"{address} gave no whole answer"
        self.say(
            f"api: {happened}, trying again in {max(retry.upcoming_sleep, 1):.0f} s "
            f"(try {retry.attempt_number + 1} of {self.max_attempts})"
        )


def read_answer(response: Response, seconds: float) -> bytes:
    """The whole body; one that drips in more slowly than that counts as a timeout."""
    deadline = time.monotonic() + seconds
    parts = []
    while part := response.raw.read1(decode_content=True):
        parts.append(part)
        if time.monotonic() > deadline:
            response.close()
            raise ReadTimeout(f"no end after {seconds:g} seconds", response=response, request=response.request)
    return b"".join(parts)


def check_answer(response: Response, answer_seconds: float) -> None:
    """Raise unless the answer is a whole page; what may be better next time raises an error that is retried."""
    response.raise_for_status()
    try:
        body = json.loads(
            read_answer(response, answer_seconds), parse_float=Number, parse_int=Number, parse_constant=Number
        )
        complaint = None if isinstance(body, dict) and isinstance(body.get("data"), list) else "has no list `data`"
    except ValueError as error:
        complaint = f"is no JSON ({error})"
    if complaint:
        raise ChunkedEncodingError(f"The answer of {asked(response)} {complaint}", response=response)
    response.body = body


def json_text(value: Any) -> str:
    """Write a parsed value as JSON again, numbers with their own digits."""
    match value:
        case Number():
            return str(value)
        case dict():
            return "{" + ", ".join(f"{json.dumps(name)}: {json_text(item)}" for name, item in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(json_text, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def text(value: Any) -> str | None:
    """A field as it is stored: strings as they are, null as null, everything else as JSON text."""
    return value if value is None or type(value) is str else json_text(value)


def record_key(record: dict[str, Any], endpoint: Endpoint) -> str:
    """What a record is merged on: its natural key or, when a part of that is missing, a hash of the whole."""
    parts = [text(record.get(field)) for field in endpoint.key]
    if None in parts:
        return "no key " + hashlib.sha256(json_text(record).encode()).hexdigest()
    return parts[0] if len(parts) == 1 else json.dumps(parts, ensure_ascii=False)


def to_table(records: list[Any], endpoint: Endpoint) -> pa.Table:
    """A page as an Arrow table of text columns."""
    records = [record if isinstance(record, dict) else {"_record": record} for record in records]
    fields = dict.fromkeys((*endpoint.key, *endpoint.fields, *(field for record in records for field in record)))
    columns = {RECORD_KEY: [record_key(record, endpoint) for record in records]}
    columns |= {field: [text(record.get(field)) for record in records] for field in fields}
    schema = pa.schema([pa.field(name, pa.string(), nullable=name != RECORD_KEY) for name in columns])
    return pa.table(columns, schema)


def once_each(pages: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The pages without repeats, last page first: of records with one key, the one delivered last stays."""
    seen: set[str] = set()
    for page in reversed(list(pages)):
        keys = page.column(RECORD_KEY).to_pylist()
        kept = []
        for row in reversed(range(len(keys))):
            if keys[row] not in seen:
                seen.add(keys[row])
                kept.append(row)
        yield page.take(pa.array(kept[::-1], pa.int64()))


def newest_moment(records: list[Any], endpoint: Endpoint, known: str | None) -> str | None:
    """The latest moment at which one of the records changed, those of the future excepted."""
    now = datetime.now(UTC)
    moments = (changed_at(record, endpoint) for record in records)
    newest = max((moment for moment in moments if moment and moment <= now), default=None)
    if newest is None:
        return known
    written = newest.date().isoformat() if endpoint.by_date else stamp(newest)
    return max(written, known or "")


def changed_at(record: Any, endpoint: Endpoint) -> datetime | None:
    """When a record changed, if it says so in a way that can be read."""
    try:
        return utc(record[endpoint.changed_by])
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def changed_in(days: Days, record: Any, endpoint: Endpoint) -> bool:
    """Whether a record changed in these days; one that does not say when counts."""
    moment = changed_at(record, endpoint)
    return moment is None or days.begin <= moment < days.end


def utc(moment: str) -> datetime:
    """Parse a timestamp; one without a zone is taken as UTC."""
    parsed = datetime.fromisoformat(moment)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def stamp(moment: datetime) -> str:
    """Write a timestamp the way the API does."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@with_config(sections=("sources", "api"))
def connection(base_url: str | None = None, token: TSecretStrValue | None = None) -> dict[str, str | None]:
    """The settings without which there is nothing to ask."""
    return {"base_url": base_url, "token": token}


def tables() -> list[str]:
    """The tables of this source."""
    return list(ENDPOINTS)


@dlt.source(name="api", max_table_nesting=0)
def api(
    say: Callable[[str], None],
    base_url: str = dlt.config.value,
    token: TSecretStrValue = dlt.secrets.value,
    page_size: int = dlt.config.value,
    overlap_hours: float = dlt.config.value,
    look_back_days: int = dlt.config.value,
    start_date: str = dlt.config.value,
    window_days: int = dlt.config.value,
    connect_timeout_seconds: float = dlt.config.value,
    read_timeout_seconds: float = dlt.config.value,
    answer_seconds: float = dlt.config.value,
    requests_per_second: float = dlt.config.value,
    max_attempts: int = dlt.config.value,
    max_retry_delay_seconds: float = dlt.config.value,
    only: list[str] | None = None,
    full_refresh: bool = False,
    days: Days | None = None,
) -> Iterator[DltResource]:
    """Every endpoint of the API, read side by side; `only` picks some by their table names.

    Without an address these are tables without rows.
    """
    pace = Pace(requests_per_second)
    patience = Patience(say, max_attempts)

    def check(response: Response, *_: Any, **__: Any) -> None:
        check_answer(response, answer_seconds)

    def read(name: str) -> Iterator[pa.Table]:
        endpoint = ENDPOINTS[name]
        if not base_url:
            yield to_table([], endpoint)
            return
        state = dlt.current.resource_state(name)
        newest: str | None = state.get("newest")
        retrying = requests.Client(
            request_timeout=(connect_timeout_seconds, read_timeout_seconds),
            raise_for_status=False,
            request_max_attempts=max_attempts,
            # Endpoints that fail together must not come back together: each waits at a pace of its own.
            request_backoff_factor=random.uniform(0.5, 1.5),
            request_max_retry_delay=max_retry_delay_seconds,
        )
        # A retry_condition of dlt's client is not asked about errors that are tried again anyway.
        retrying.session.send.retry.before_sleep = patience.tell
        client = Client(base_url, auth=BearerTokenAuth(token), data_selector="data", session=retrying.session)
        size = {} if endpoint.size_parameter is None else {endpoint.size_parameter: page_size}
        for question in questions(endpoint, newest):
            pages = client.paginate(
                endpoint.path,
                params=question | size,
                paginator=endpoint.pages(),
                hooks={"response": [check]},
                allow_redirects=False,
            )
            for page in pace.keep(pages):
                if days:
                    yield to_table([record for record in page if changed_in(days, record, endpoint)], endpoint)
                    continue
                newest = newest_moment(page, endpoint, newest)
                yield to_table(page, endpoint)
        if not days:
            state["newest"] = newest

    def read_whole(name: str) -> Iterator[pa.Table]:
        # Pages overlap and may shift while they are read. A merge takes repeats out, a replaced table would keep them.
        yield from once_each(read(name))

    def questions(endpoint: Endpoint, newest: str | None) -> Iterator[dict[str, Any]]:
        """The parameters to ask with: changes since the last run, or the days since then in windows."""
        if days and not endpoint.by_date:
            yield {"updated_since": stamp(days.begin)}
            return
        if not endpoint.by_date:
            yield {"updated_since": stamp(utc(newest) - timedelta(hours=overlap_hours))} if newest else {}
            return
        begin = (
            date.fromisoformat(newest) - timedelta(days=look_back_days) if newest else date.fromisoformat(start_date)
        )
        # A day more, for those east of here.
        end = datetime.now(UTC).date() + timedelta(days=1)
        if days:
            begin, end = days.first, days.last
        while begin <= end:
            last = min(end, begin + timedelta(days=window_days - 1))
            yield {"from": begin.isoformat(), "to": last.isoformat()}
            begin = last + timedelta(days=1)

    for name, endpoint in ENDPOINTS.items():
        if only is None or name in only:
            columns = {field: {"name": field, "data_type": "text"} for field in (*endpoint.key, *endpoint.fields)}
            if not endpoint.by_date:
                columns[endpoint.changed_by]["dedup_sort"] = "desc"
            yield dlt.resource(
                read_whole if full_refresh else read,
                name=name,
                primary_key=RECORD_KEY,
                columns=columns,
                write_disposition="replace" if full_refresh else MERGE,
                parallelized=True,
            )(name)
