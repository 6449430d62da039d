"""Random histories of a shop, written straight into the raw tables as dlt lands them; a seed repeats its history."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import duckdb

SHOP, API, FILES = "raw_shop", "raw_api", "raw_files"
LATER = ", updated_at = updated_at + interval '{hours}' hour"
# The API's fields are text.
API_LATER = ", updated_at = strftime(updated_at::timestamptz + interval '{hours}' hour, '%xT%XZ')"


def flip(column: str, one: str, other: str) -> str:
    """The assignment that gives a column one value, or the other where it has that one already."""
    return f"{column} = case {column} when '{one}' then '{other}' else '{one}' end"


@dataclass(frozen=True)
class Change:
    """One kind of change: statements over a few random keys of a table."""

    dataset: str
    keys: str
    statements: tuple[str, ...]
    most: int = 6


def update(table: str, key: str, assignments: str, most: int = 6, extra: tuple[str, ...] = ()) -> Change:
    """Rows of a table of the shop get other values, and a later `updated_at` unless they say another."""
    assignments += ", _dlt_load_id = '{load}'" + (LATER if "updated_at =" not in assignments else "")
    return Change(
        SHOP,
        f"select {key} from raw_shop.{table}",
        (f"update raw_shop.{table} set {assignments} where {key} in ({{keys}})", *extra),
        most,
    )


def update_api(table: str, key: str, assignments: str, most: int = 6) -> Change:
    """Rows of a table of the API get other values, and a later `updated_at` unless they say another."""
    assignments += ", _dlt_load_id = '{load}'" + (API_LATER if "updated_at =" not in assignments else "")
    return Change(
        API,
        f"select {key} from raw_api.{table}",
        (f"update raw_api.{table} set {assignments} where {key} in ({{keys}})",),
        most,
    )


def dated(column: str) -> str:
    """The assignments that move a time by a year, and the row's own change with it."""
    return ", ".join(f"{name} = replace({name}, '2024-', '2025-')" for name in (column, "updated_at"))


def events(dataset: str, changed_record: str, most: int = 8) -> Change:
    """Lines of event files are delivered again in another file, changed; without a change they are duplicates."""
    return Change(
        FILES,
        f"select file_path || ':' || line_number from raw_files.{dataset}",
        (
            f"insert into raw_files.{dataset} select '{dataset}/{{file}}.jsonl', {{line}} + row_number() over "
            f"(order by file_path, line_number), {changed_record}, read_error, '{{load}}' from raw_files.{dataset} "
            "where file_path || ':' || line_number in ({keys})",
        ),
        most,
    )


RENUMBER = 'regexp_replace(record, \'"event_id" : "\', \'"event_id" : "again-{line}-\')'
NEW_ORDERS = (
    "insert into raw_shop.orders select * replace (order_id + {new} as order_id, "
    "order_number || '-{new}' as order_number, "
    "ordered_at + interval '{days}' day as ordered_at, created_at + interval '{days}' day as created_at, "
    "updated_at + interval '{days}' day as updated_at, {who}, '{load}' as _dlt_load_id) "
    "from raw_shop.orders where order_id in ({keys})",
    "insert into raw_shop.order_items select * replace (order_item_id + {new} as order_item_id, order_id + {new} as "
    "order_id, '{load}' as _dlt_load_id) from raw_shop.order_items where order_id in ({keys})",
    "update raw_shop.order_item_keys set _dlt_load_id = '{load}'",
    "insert into raw_shop.order_item_keys select order_item_id, '{load}' from raw_shop.order_items "
    "where order_id - {new} in ({keys})",
)
SOME_CUSTOMER = "(select min(customer_id) from raw_shop.customers where customer_id % 40 = {hours} % 40)"

CHANGES: dict[str, Change] = {
    "orders placed": Change(
        SHOP,
        "select order_id from raw_shop.orders",
        tuple(s.replace("{who}", "null as deleted_at") for s in NEW_ORDERS),
    ),
    "orders of guests": Change(
        SHOP,
        "select order_id from raw_shop.orders",
        tuple(
            s.replace(
                "{who}",
                "null as customer_id, (select email from raw_shop.customers "
                "where customer_id % 37 = orders.order_id % 37 order by customer_id limit 1) as guest_email",
            )
            for s in NEW_ORDERS
        ),
    ),
    "orders cancelled": update(
        "orders", "order_id", "status = 'cancelled', cancelled_at = ordered_at + interval 1 hour"
    ),
    "orders revived": update("orders", "order_id", "status = 'delivered', cancelled_at = null, deleted_at = null", 30),
    "orders deleted": update("orders", "order_id", "deleted_at = updated_at"),
    "orders back-dated": update("orders", "order_id", "ordered_at = ordered_at - interval '{days}' day"),
    "orders tested": update("orders", "order_id", "is_test = not coalesce(is_test, false)"),
    "orders discounted": update("orders", "order_id", "discount_amount = discount_amount + 1"),
    "orders handed over": update("orders", "order_id", f"customer_id = {SOME_CUSTOMER}, guest_email = null"),
    "orders made guests'": update(
        "orders", "order_id", "customer_id = null, guest_email = 'someone{hours}@example.com'"
    ),
    "orders with bad status": update("orders", "order_id", "status = 'lost'"),
    "orders in another shop": update("orders", "order_id", "store_id = 1 + (store_id % 4), currency = 'USD'", 3),
    "orders of an older version": update("orders", "order_id", "status = 'shipped', updated_at = updated_at", 3),
    "lines changed": update("order_items", "order_item_id", "quantity = quantity + 1, unit_price = unit_price + 0.5"),
    "lines moved": update("order_items", "order_item_id", "order_id = (select max(order_id) from raw_shop.orders)", 3),
    "lines of other products": update(
        "order_items", "order_item_id", "product_id = 1 + product_id % 20, unit_cost = null"
    ),
    "lines deleted": Change(
        SHOP,
        "select order_item_id from raw_shop.order_item_keys",
        (
            "delete from raw_shop.order_item_keys where order_item_id in ({keys})",
            "update raw_shop.order_item_keys set _dlt_load_id = '{load}'",
        ),
    ),
    "lines back": Change(
        SHOP,
        "select order_item_id from raw_shop.order_items",
        (
            "delete from raw_shop.order_item_keys",
            "insert into raw_shop.order_item_keys select order_item_id, '{load}' from raw_shop.order_items",
        ),
    ),
    "rows twice in raw": Change(
        SHOP,
        "select order_id from raw_shop.orders",
        (
            "insert into raw_shop.orders select * replace ('{load}' as _dlt_load_id, 'pending' as status, "
            "updated_at - interval 1 day as updated_at) from raw_shop.orders where order_id in ({keys})",
        ),
        2,
    ),
    "customers with new addresses": update(
        "customers",
        "customer_id",
        "email = coalesce((select min(guest_email) from raw_shop.orders "
        "where order_id % 23 = customers.customer_id % 23), 'x@y.z')",
    ),
    "customers tested": update("customers", "customer_id", "is_test = not coalesce(is_test, false)", 3),
    "customers moved": update(
        "customers", "customer_id", "region = 'region {hours}', marketing_opt_in = not marketing_opt_in"
    ),
    "customers changed in the past": update(
        "customers", "customer_id", "country_code = 'FR', updated_at = updated_at - interval '{days}' day"
    ),
    "customers come": Change(
        SHOP,
        "select customer_id from raw_shop.customers",
        (
            "insert into raw_shop.customers select * replace (customer_id + {new} as customer_id, "
            "'someone' || (customer_id % 50) || '@example.com' as email, '{load}' as _dlt_load_id) "
            "from raw_shop.customers where customer_id in ({keys})",
        ),
    ),
    "products priced": update("products", "product_id", "unit_price = unit_price + 1, unit_cost = unit_cost * 1.1", 3),
    "products in dollars": update("products", "product_id", flip("currency", "USD", "EUR"), 2),
    "products priced in the past": update(
        "products", "product_id", "unit_cost = 2, updated_at = updated_at - interval '{days}' day", 2
    ),
    "products untrusted": update("products", "product_id", flip("status", "odd", "active"), 2),
    "a store moves": update("stores", "store_id", flip("timezone", "Asia/Tokyo", "UTC"), 1),
    "a store is unknown": update("stores", "store_id", flip("timezone", "?", "UTC"), 1),
    "a store's taxes": update("stores", "store_id", "prices_include_tax = not prices_include_tax", 1),
    "payments fail": update_api("payments", "payment_id", flip("status", "failed", "succeeded")),
    "payments move": update_api("payments", "payment_id", "order_id = (order_id::bigint + 1)::text"),
    "payments unreadable": update_api("payments", "payment_id", flip("amount", "none", "5.00")),
    "payments dated": update_api("payments", "payment_id", dated("created_at")),
    "refunds come": Change(
        API,
        "select order_item_id from raw_shop.order_items where product_id is not null",
        (
            "insert into raw_api.refunds select 'r{new}-' || order_item_id, 'r{new}-' || order_item_id, "
            "order_id::text, currency, 'late', '0.00', '-1.00', "
            "strftime(ordered_at + interval '{days}' day, '%xT%XZ'), "
            "strftime(ordered_at + interval '{days}' day, '%xT%XZ'), '[{{\"order_item_id\": ' || order_item_id || "
            '\', "quantity": 1, "amount": "1.50", "tax_amount": "0.10", "restock": true}}]\', \'{load}\' '
            "from raw_shop.order_items join (select distinct on (order_id) * from raw_shop.orders) as orders "
            "using (order_id) where order_item_id in ({keys})",
        ),
    ),
    "refunds change": update_api("refunds", "refund_id", "lines = '[]', adjustment_amount = '3.00'", 3),
    "refunds move": update_api("refunds", "refund_id", "order_id = (order_id::bigint + 1)::text", 3),
    "refunds dated": update_api("refunds", "refund_id", dated("refunded_at"), 3),
    "rates corrected": Change(
        API,
        "select _record_key from raw_api.fx_rates where currency <> 'EUR'",
        (
            "update raw_api.fx_rates set rate = (rate::decimal(18, 8) * 1.01)::decimal(18, 8)::text, "
            "_dlt_load_id = '{load}' where _record_key in ({keys})",
        ),
        60,
    ),
    "rates unreadable": Change(
        API,
        "select _record_key from raw_api.fx_rates where currency <> 'EUR'",
        (
            "update raw_api.fx_rates set rate = case rate when '?' then '0.9' else '?' end, _dlt_load_id = '{load}' "
            "where _record_key in ({keys})",
        ),
    ),
    "sessions claimed": update_api(
        "sessions", "session_id", f"customer_id = {SOME_CUSTOMER}::text, utm_source = 'late'"
    ),
    "sessions forgotten": update_api("sessions", "session_id", "customer_id = null, device = null", 20),
    "orders in other sessions": update(
        "orders",
        "order_id",
        "session_id = (select session_id from raw_api.sessions where hash(session_id) % 50 = orders.order_id % 50 "
        "order by session_id limit 1)",
    ),
    "events again": events("clickstream", "record"),
    "events late": events("clickstream", RENUMBER),
    "events late and between": events("clickstream", f"replace({RENUMBER}, ':1', ':4')", 40),
    "events of others": events("clickstream", "regexp_replace(record, 'anon-[a-z]', 'anon-p')"),
    "events seen earlier": events(
        "clickstream",
        "regexp_replace(replace(record, 'anon-v', 'anon-p'), 'received_at\" : \"2024', 'received_at\" : \"2023')",
    ),
    "lines of events mended": Change(
        FILES,
        "select file_path || ':' || line_number from raw_files.clickstream",
        (
            "update raw_files.clickstream set record = replace(record, 'page_view', 'product_view'), "
            "_dlt_load_id = '{load}' where file_path || ':' || line_number in ({keys})",
        ),
    ),
    "movements again": events("inventory_events", "record"),
    "movements late": events("inventory_events", RENUMBER),
    "movements mended": Change(
        FILES,
        "select file_path || ':' || line_number from raw_files.inventory_events",
        (
            "update raw_files.inventory_events set record = regexp_replace(record, '_delta\" : -?', '_delta\" : 1'), "
            "_dlt_load_id = '{load}' where file_path || ':' || line_number in ({keys})",
        ),
    ),
    "nothing at all": Change(SHOP, "select 1", ()),
}


@dataclass
class History:
    """What has been loaded so far, and in which order."""

    seed: int
    told: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def step(self, connection: duckdb.DuckDBPyConnection, kinds: int = 7, only: Sequence[str] = ()) -> None:
        """Write the changes of one step, as one load of each source that they belong to."""
        chosen = [(name, CHANGES[name]) for name in only or self.random.sample(sorted(CHANGES), kinds)]
        loads: dict[str, str] = {}
        for name, change in chosen:
            # A load that was held up is committed late, under an id of before.
            epoch = self.random.choice((1, 1, 1, 4)) * 10**9 + self.random.randrange(10**6)
            load = loads.setdefault(change.dataset, f"{epoch}.{self.random.randrange(10**6)}")
            self.write(connection, name, change, load)
        for dataset, load in loads.items():
            connection.execute(
                f"insert into {dataset}._dlt_loads select '{load}', schema_name, 0, now(), schema_version_hash "
                f"from {dataset}._dlt_loads limit 1"
            )

    def write(self, connection: duckdb.DuckDBPyConnection, name: str, change: Change, load: str) -> None:
        """Write one change of a step."""
        found = sorted({key for (key,) in connection.execute(change.keys).fetchall()})
        keys = self.random.sample(found, min(len(found), self.random.randint(1, change.most)))
        values: dict[str, str | int] = {
            "load": load,
            "keys": ", ".join(f"'{key}'" if isinstance(key, str) else str(key) for key in keys),
            "hours": self.random.randint(1, 400),
            "days": self.random.randint(1, 90),
            "new": 10_000 * self.random.randint(1, 10**6),
            "file": self.random.randrange(10**9),
            "line": self.random.randrange(10**6),
        }
        self.told.append(f"{name} ({load}): {values['keys']}")
        for statement in change.statements:
            connection.execute(statement.format(**values))
