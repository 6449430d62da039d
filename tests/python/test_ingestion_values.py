"""Every value of Postgres arrives exactly as it was, or beside the reason why it could not."""

import random
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import psycopg2
import pytest
from conftest import Workspace
from test_warehouses import query

from ingestion.sources import fill

TABLE = """
    create type shop.mood as enum ('glad', '');
    create table shop.nasty (
        id text primary key, zoned timestamptz, naive timestamp, day date, exact numeric(38, 10), unbounded numeric,
        huge numeric(60, 0), float double precision, short real, small smallint, big bigint, flag boolean, words text,
        code char(5), feeling shop.mood, structure jsonb, list int[], hour time, span interval, key uuid, bytes bytea,
        kind pg_catalog.tsvector, updated_at timestamptz
    );
    grant select on shop.nasty to storehouse_loader;
"""
# value in Postgres -> text in the warehouse
SPECIAL = {
    "zoned": {
        "infinity": "infinity",
        "-infinity": "-infinity",
        "0044-03-15 00:00:00+00 BC": "0044-03-15 (BC) 00:00:00+00",
        "0001-01-01 00:00:00+00": "0001-01-01 00:00:00+00",
        "9999-12-31 23:59:59.999999+00": "9999-12-31 23:59:59.999999+00",
        "12345-01-01 00:00:00+00": "12345-01-01 00:00:00+00",
        "2024-03-31 02:30:00.000001+05:45": "2024-03-30 20:45:00.000001+00",
    },
    "naive": {"infinity": "infinity", "-infinity": "-infinity", "2024-03-31 02:30:00.1": "2024-03-31 02:30:00.1"},
    "day": {
        "infinity": "infinity",
        "-infinity": "-infinity",
        "0044-03-15 BC": "0044-03-15 (BC)",
        "9999-12-31": "9999-12-31",
    },
    "exact": {"-1234567890123456789012345678.0123456789": "-1234567890123456789012345678.0123456789"},
    "unbounded": {
        "NaN": "NaN",
        "12345678901234567890.12345678901234567890": "12345678901234567890.12345678901234567890",
    },
    "huge": {"9" * 60: "9" * 60},
    "float": {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf", "1e308": "1e+308", "5e-324": "5e-324"},
    "short": {"0.1": "0.1", "NaN": "nan"},
    "small": {"-32768": "-32768"},
    "big": {"9223372036854775807": "9223372036854775807", "-9223372036854775808": "-9223372036854775808"},
    "words": {
        text: text
        for text in ("", " ", "NULL", "\\N", '"', ',;"\n\r\n\t', "😀", "\u200f", "NaN", "\\x00", "a" * 100_000)
    },
    "code": {"ab": "ab   "},
    "feeling": {"glad": "glad", "": ""},
    "structure": {'{"a": 12345678901234567890.1234567891}': '{"a": 12345678901234567890.1234567891}', '"x"': '"x"'},
    "list": {"{1,2,NULL}": "{1,2,NULL}"},
    "hour": {"24:00": "24:00:00"},
    "span": {"1 year 2 days -3 seconds": "1 year 2 days -00:00:03"},
    "key": {"c0ffee00-0000-0000-0000-000000000000": "c0ffee00-0000-0000-0000-000000000000"},
    "kind": {"'a':1": "'a':1"},
    "bytes": {"\\x00ff": "\\x00ff"},
}


def quoted(value: object) -> str:
    """A value as an SQL literal."""
    return "null" if value is None else "'" + str(value).replace("'", "''") + "'"


@pytest.fixture(scope="module")
def merged(tiny_shop: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A table of such values in the shop, and a workspace that loaded only the first of its rows."""
    tiny_shop.settings["SOURCES__SHOP__TABLES"] = '["nasty"]'
    tiny_shop.shop(TABLE)
    tiny_shop.shop("insert into shop.nasty (id) values ('first')")
    space = Workspace(tmp_path_factory.mktemp("merged") / "data", tiny_shop.settings)
    space.ingest("--source", "shop")
    for (column, number), (value, _) in special().items():
        tiny_shop.shop(f"insert into shop.nasty (id, {column}) values ('{column} {number}', {quoted(value)})")

    # Random rows besides: what psycopg reads and what the warehouse holds must be the same Python values.
    chance = random.Random(5)
    for number in range(300):
        moment = datetime(1, 1, 2, tzinfo=UTC) + timedelta(microseconds=chance.randrange(3 * 10**17))
        digits = chance.randrange(-(10**37), 10**37) // 10 ** chance.randrange(30)
        row = {
            "id": f"random {number}",
            "zoned": moment,
            "naive": moment.replace(tzinfo=None),
            "day": date.fromordinal(chance.randrange(1, date.max.toordinal())),
            "exact": Decimal(digits).scaleb(-10),
            "float": chance.choice([chance.random(), chance.uniform(-1e300, 1e300), 0.1, None]),
            "big": chance.randrange(-(2**63), 2**63),
            "flag": chance.choice([True, False, None]),
            "words": "".join(
                map(chr, chance.choices([*range(1, 0xD800), *range(0xE000, 0x11000)], k=chance.randrange(20)))
            ),
        }
        values = ", ".join(quoted(value) for value in row.values())
        tiny_shop.shop(f"insert into shop.nasty ({', '.join(row)}) values ({values})")

    # The one value that no column of the warehouse can hold is told beside an empty one.
    tiny_shop.shop("insert into shop.nasty (id, exact, words) values ('nan', 'NaN', 'kept')")
    return space


def special() -> dict[tuple[str, int], tuple[str, str]]:
    """A column, and the number of a value -> the value, and its text in the warehouse."""
    return {
        (column, number): value for column, values in SPECIAL.items() for number, value in enumerate(values.items())
    }


def test_every_value_survives(tiny_shop: Workspace, merged: Workspace, tmp_path: Path) -> None:
    # A new table is filled by DuckDB's scanner or a file of COPY, and one that is there already takes merges.
    spaces = {
        way: Workspace(tmp_path / way, tiny_shop.settings | {"SOURCES__SHOP__SCAN_FROM_ROWS": str(from_rows)})
        for way, from_rows in {"scan": 0, "copy": 10**9}.items()
    }
    spaces["merge"] = merged
    expected = {key: text for key, (_, text) in special().items()}
    random_rows = """
        select id, zoned, naive, day, exact, "float", big, flag, words from {}.nasty where id like 'random%' order by id
    """
    tables = {}
    for way, space in spaces.items():
        space.ingest("--source", "shop")
        held = {
            (column, number): space.warehouse(
                f"select {column}::text from raw_shop.nasty where id = '{column} {number}'"
            )
            for column, number in expected
        }
        assert held == {key: [(text,)] for key, text in expected.items()}, way
        assert space.warehouse(random_rows.format("raw_shop")) == tiny_shop.shop(random_rows.format("shop")), way
        assert space.warehouse(
            "select id, exact, words, unreadable_values from raw_shop.nasty where unreadable_values is not null"
        ) == [("nan", None, "kept", '{"exact": "NaN"}')]
        rows = "select columns(c -> c <> '_dlt_load_id')::text from raw_shop.nasty order by id"
        tables[way] = (
            space.warehouse("describe raw_shop.nasty"),
            space.warehouse(rows),
            space.warehouse("select rows_read, rows_loaded, rows_unchanged from raw_ops.table_loads")[-1:],
            space.warehouse(
                "select count(*) from raw_shop.nasty inner join raw_shop._dlt_loads on _dlt_load_id = load_id"
            ),
        )
        space.ingest("--source", "shop", "--full-refresh")
        assert space.warehouse(rows) == tables[way][1]
    assert tables["scan"] == tables["copy"]
    assert tables["merge"][:2] == tables["copy"][:2]


def test_every_value_survives_into_postgres(tiny_shop: Workspace, merged: Workspace, tmp_path: Path) -> None:
    space = Workspace(tmp_path / "data", dict(tiny_shop.settings))
    space.warehouses("start", "postgres")
    try:
        space.connect_warehouse("postgres")
        space.ingest("--source", "shop")
        assert_alike(space)
        # As an older version made this column, which took whole numbers of every length for long ones.
        query(space, "loader", "truncate raw_shop.nasty; alter table raw_shop.nasty alter small type bigint")
        space.ingest("--source", "shop")
        assert_alike(space)
        space.ingest("--source", "shop", "--full-refresh")
        assert_alike(space)
        # Now all rows are merged.
        tiny_shop.shop("update shop.nasty set updated_at = now()")
        space.ingest("--source", "shop")
        assert_alike(space)
        loads = "select rows_read, rows_loaded from raw_ops.table_loads where table_name = 'nasty' order by load_id"
        # The first load needs no index, those that look rows up do.
        index = "select indexdef from pg_indexes where schemaname = 'raw_shop' and tablename = 'nasty'"
        [(definition,)] = query(space, "loader", index)
        assert definition.endswith("(id)")
        [(count,)] = tiny_shop.shop("select count(*) from shop.nasty")
        assert query(space, "loader", loads) == [(count, count)] * 4
        [(unreadable,)] = query(space, "loader", "select unreadable_values from raw_shop.nasty where id = 'nan'")
        assert unreadable == '{"exact": "NaN"}'
    finally:
        space.warehouses("stop", "postgres")


def assert_alike(space: Workspace) -> None:
    """The texts of all values are the same in the shop and in the Postgres warehouse."""
    names = [
        column
        for (column,) in space.shop(
            "select column_name from information_schema.columns where table_schema = 'shop' and table_name = 'nasty'"
        )
    ]
    texts = {name: f"{name}::text" for name in names}
    # A blank-padded text keeps its blanks.
    texts["code"] = "concat(code)"
    rows = 'select {} from {}.nasty order by id collate "C"'
    held = query(space, "loader", rows.format(", ".join(texts.values()), "raw_shop"))
    # The one value that is told beside an empty one.
    texts["exact"] = "nullif(exact, 'NaN')::text"
    source = space.shop(rows.format(", ".join(texts.values()), "shop"))
    assert [dict(zip(names, row, strict=True)) for row in held] == [
        dict(zip(names, row, strict=True)) for row in source
    ]


@pytest.mark.parametrize("from_rows", [0, 10**9])
def test_a_shop_in_another_encoding(tiny_shop: Workspace, tmp_path: Path, from_rows: int) -> None:
    name = f"latin_{from_rows}"
    with closing(psycopg2.connect(tiny_shop.settings["DEMO_SHOP_ADMIN_URL"])) as connection:
        connection.autocommit = True
        connection.cursor().execute(f"create database {name} encoding 'LATIN1' locale 'C' template template0")
    admin, loader = (
        tiny_shop.settings[key].rpartition("/")[0] + f"/{name}"
        for key in ("DEMO_SHOP_ADMIN_URL", "SOURCES__SHOP__CREDENTIALS")
    )
    settings = {"SOURCES__SHOP__TABLES": '["words"]', "SOURCES__SHOP__SCAN_FROM_ROWS": str(from_rows)}
    space = Workspace(
        tmp_path / "data",
        tiny_shop.settings | settings | {"DEMO_SHOP_ADMIN_URL": admin, "SOURCES__SHOP__CREDENTIALS": loader},
    )
    space.shop(
        """
        create schema shop;
        create table shop.words (id int primary key, word text);
        insert into shop.words values (1, 'Müller'), (2, '½ ñ');
        grant usage on schema shop to storehouse_loader;
        grant select on shop.words to storehouse_loader;
        """
    )
    space.ingest("--source", "shop")
    space.shop("insert into shop.words values (3, 'Straße')")
    space.ingest("--source", "shop")
    assert space.warehouse("from (select id, word from raw_shop.words) order by id") == [
        (1, "Müller"),
        (2, "½ ñ"),
        (3, "Straße"),
    ]


def test_without_the_scanner_copy_reads_and_says_so(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    url = "postgresql://loader:secret@127.0.0.1:9/without"
    with duckdb.connect() as connection:
        monkeypatch.setattr(fill, "find_spec", lambda _: None)
        assert fill.can_scan(connection, url) is fill.can_scan(connection, url) is False
        monkeypatch.undo()
        # A server that only DuckDB cannot reach
        assert fill.can_scan(connection, f"{url}_server") is False
    told = capsys.readouterr().out
    assert told.count("shop: reading by COPY") == told.count("\n") == 2 and "secret" not in told, told
