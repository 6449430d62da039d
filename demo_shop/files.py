"""The shop's files: click events, stock movements and supplier prices, a folder or file per day or month.

A few of them are damaged on purpose, always in the same early days (see the README of this folder).
"""

import csv
import gzip
import json
import shutil
from collections.abc import Iterable
from datetime import date, timedelta
from io import StringIO
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import psycopg2

from demo_shop.state import EPOCH, shop_dir

CLICKSTREAM_DAMAGED = date(2024, 1, 10)
CLICKSTREAM_CUT_LINE = date(2024, 1, 11)
CLICKSTREAM_CUT_GZIP = date(2024, 1, 12)
INVENTORY_DAMAGED = date(2024, 1, 15)
PRICES_DAMAGED = date(2024, 2, 1)


def folder() -> Path:
    """Where the files land."""
    return shop_dir() / "files"


def save(path: Path, content: bytes) -> None:
    """Write a file that is whole from the moment it can be seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.new")
    draft.write_bytes(content)
    draft.replace(path)


def packed(lines: Iterable[bytes]) -> bytes:
    """Lines as gzip, the same bytes every time."""
    return gzip.compress(b"".join(line + b"\n" for line in lines), compresslevel=5, mtime=0)


def remove_after(days: int) -> None:
    """Delete what an interrupted step wrote for days that do not exist."""
    end = EPOCH + timedelta(days=days)
    for dataset in ("clickstream", "inventory_events"):
        for path in (folder() / dataset).glob("date=*"):
            if date.fromisoformat(path.name.removeprefix("date=")) >= end:
                shutil.rmtree(path)
    for path in (folder() / "supplier_prices").glob("prices_*.csv"):
        if date.fromisoformat(path.stem.removeprefix("prices_") + "-01") >= end:
            path.unlink()


def write(connection: psycopg2.extensions.connection, first: int, until: int) -> None:
    """Write the files of the days `first` to `until` (excluded), inside the caller's transaction."""
    write_clickstream(connection, first, until)
    write_inventory_events(connection, first, until)
    for day in range(first, until):
        today = EPOCH + timedelta(days=day)
        if today.day == 1:
            write_supplier_prices(connection, today)
        if today in DAMAGED:
            path, content = DAMAGED[today]
            save(folder() / path, content)


def stream(connection: psycopg2.extensions.connection, query: str, *values: object) -> Iterable[tuple]:
    """Rows of a query, fetched in portions."""
    with connection.cursor("demo_shop_files") as cursor:
        cursor.itersize = 20_000
        cursor.execute(query, values)
        yield from cursor


def write_clickstream(connection: psycopg2.extensions.connection, first: int, until: int) -> None:
    """One folder per day of arrival; `part-0001` holds events that were delivered twice."""
    rows = stream(
        connection,
        """
        select file_day, part, record
        from sim.events
        where file_day >= %s and file_day < %s
        order by file_day, part, received_at, event_id
        """,
        first,
        until,
    )
    for (day, part), records in groupby(rows, key=itemgetter(0, 1)):
        path = folder() / "clickstream" / f"date={EPOCH + timedelta(days=day)}" / f"part-{part:04d}.jsonl.gz"
        save(path, packed(record.encode() for _, _, record in records))


def write_inventory_events(connection: psycopg2.extensions.connection, first: int, until: int) -> None:
    """One file per day."""
    rows = stream(
        connection,
        """
        select
            sim.day_of(occurred_at),
            json_build_object(
                'event_id', event_id,
                'product_id', product_id,
                'location_code', location_code,
                'quantity_delta', quantity_delta,
                'reason', reason,
                'reference', reference,
                'occurred_at', to_char(occurred_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
            )::text
        from sim.inventory_events
        where occurred_at >= sim.at(%s) and occurred_at < sim.at(%s)
        order by occurred_at, event_id
        """,
        first,
        until,
    )
    for day, records in groupby(rows, key=itemgetter(0)):
        path = folder() / "inventory_events" / f"date={EPOCH + timedelta(days=day)}" / "events.jsonl"
        save(path, b"".join(record.encode() + b"\n" for _, record in records))


def write_supplier_prices(connection: psycopg2.extensions.connection, month: date) -> None:
    """The price lists of all suppliers as of the first of a month."""
    rows = stream(
        connection,
        """
        select
            'SKU-' || lpad(products.product_id::text, 6, '0'),
            products.supplier_id,
            round(
                price_changes.list_cost
                * case products.currency when 'JPY' then 160.0 when 'USD' then 1.08 else 1.0 end,
                4
            ),
            products.currency
        from sim.products
        inner join sim.price_changes using (product_id)
        where
            not products.is_gift_card
            and products.created_at < %(month)s
            and (products.archived_at is null or products.archived_at > %(month)s)
            and %(month)s + interval '3 hours' >= price_changes.valid_from
            and (price_changes.valid_to is null or %(month)s + interval '3 hours' < price_changes.valid_to)
        order by products.product_id
        """.replace("%(month)s", f"timestamptz '{month} 00:00:00+00'"),
    )
    table = [("sku", "supplier_id", "unit_cost", "currency", "valid_from"), *((*row, month) for row in rows)]
    if month == PRICES_DAMAGED:
        table += [
            ("SKU-000001", 1, "on request", "EUR", month),
            ("", 1, "4.2000", "EUR", month),
            ("SKU-000002", 1, "3.9000", "EUR", month, "valid while stocks last", ""),
        ]
    text = StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    save(folder() / "supplier_prices" / f"prices_{month:%Y-%m}.csv", text.getvalue().encode())


def click(number: int, day: date, **changes: object) -> str:
    """A page view of a visitor who exists in the damaged files only; a change to None leaves the field out."""
    record = {
        "event_id": f"ev-x{number}",
        "event_type": "page_view",
        "anonymous_id": f"anon-x{number}",
        "customer_id": None,
        "session_id": f"ses-x{number}",
        "page_url": "https://shop.example.com/",
        "occurred_at": f"{day}T12:00:00.000Z",
        "received_at": f"{day}T12:00:01.000Z",
        "properties": {},
    }
    missing = [key for key, value in changes.items() if value is None]
    return json.dumps({key: value for key, value in (record | changes).items() if key not in missing})


def damaged_clicks() -> bytes:
    """One line of every kind that cannot be trusted, between two good ones."""
    day = CLICKSTREAM_DAMAGED
    return packed(
        [
            click(1, day).encode(),
            click(2, day).encode().replace(b'"page_view",', b'"page_view"'),  # no JSON: a comma is missing
            click(3, day).encode().replace(b"shop.example.com", b"shop.example.com/caf\xe9"),  # no UTF-8
            click(4, day).encode().replace(b"shop.example.com/", b"shop.example.com/\x00"),  # a NUL byte
            b'["ev-x5", "page_view"]',  # JSON, but no object
            click(6, day, event_id=None).encode(),
            click(7, day, occurred_at="2024-02-30T12:00:00.000Z").encode(),
            click(8, day, event_type="mind_reading").encode(),
            click(9, day).encode(),
        ]
    )


def cut_line() -> bytes:
    """A good line and one that ends in the middle, as when a writer was killed."""
    good, last = (click(number, CLICKSTREAM_CUT_LINE).encode() for number in (11, 12))
    return gzip.compress(good + b"\n" + last[: len(last) // 2], compresslevel=5, mtime=0)


def cut_gzip() -> bytes:
    """A gzip file whose end is missing, as after a broken transfer."""
    whole = packed(click(number, CLICKSTREAM_CUT_GZIP).encode() for number in range(100, 400))
    return whole[: len(whole) // 2]


def damaged_inventory() -> bytes:
    """A quantity that is a word."""
    return (
        b'{"event_id": "inv-x1", "product_id": 1, "location_code": "BER", "quantity_delta": "three",'
        b' "reason": "receipt", "reference": null, "occurred_at": "2024-01-15T12:00:00.000000Z"}\n'
    )


DAMAGED = {
    CLICKSTREAM_DAMAGED: (f"clickstream/date={CLICKSTREAM_DAMAGED}/part-0002.jsonl.gz", damaged_clicks()),
    CLICKSTREAM_CUT_LINE: (f"clickstream/date={CLICKSTREAM_CUT_LINE}/part-0002.jsonl.gz", cut_line()),
    CLICKSTREAM_CUT_GZIP: (f"clickstream/date={CLICKSTREAM_CUT_GZIP}/part-0002.jsonl.gz", cut_gzip()),
    INVENTORY_DAMAGED: (f"inventory_events/date={INVENTORY_DAMAGED}/events-0001.jsonl", damaged_inventory()),
}
