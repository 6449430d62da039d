"""Personal data: the salt of the e-mail hashes, and the people who are to be forgotten.

Columns marked `meta: {pii: true}` at the sources hold it. Who is on the list `raw_secrets.forgotten` is erased from
them again after every load, so that a source that still knows the person does not bring them back.
"""

import secrets
import shutil
from contextlib import closing
from pathlib import Path

import dlt
import duckdb
import yaml

from ingestion.errors import KindError
from ingestion.warehouse import DUCKDB_STORAGE, Warehouse, open_warehouse
from operations.lock import only_writer
from operations.settings import BACKUPS, DATA_DIR, EXPORTS, ROOT, TARGET, WAREHOUSE, is_file, quote, text
from operations.steps import step

HASH = "md5((select salt from raw_secrets.email_salt) || lower(trim({})))"
# An address that is none would stand for everyone without one.
IS_ADDRESS = "strpos({}, '@') > 1"
HASHES = "(select email_hash from raw_secrets.forgotten)"
CUSTOMERS = "(select customer_id from raw_secrets.forgotten)"


def keep_salt(warehouse: Warehouse) -> None:
    """Make the salt before the first load: the configured one, else a random one; refuse another one later."""
    configured = dlt.secrets.get("operations.email_salt")
    warehouse.query("create schema if not exists raw_secrets")
    warehouse.query("create table if not exists raw_secrets.email_salt (salt text)")
    kept = warehouse.query("select salt from raw_secrets.email_salt")
    if not kept:
        salt = configured or secrets.token_hex(32)
        warehouse.query("insert into raw_secrets.email_salt values (%s) returning 1", salt)
    elif configured and configured != kept[0][0]:
        raise KindError(
            "operations.email_salt is not the salt that this warehouse hashes addresses with, and every identity hangs "
            "on it. Take the setting out, or put the old one back."
        )


def erase(warehouse: Warehouse) -> dict[str, int]:
    """Take the personal data of everyone on the list out of raw; return the rows by table."""
    columns = "customer_id bigint, email_hash text, forgotten_at timestamptz"
    warehouse.query(f"create table if not exists raw_secrets.forgotten ({columns})")
    erased = {}
    if not warehouse.query("select 1 from raw_secrets.forgotten limit 1"):
        return erased
    for table, personal in personal_columns().items():
        there = warehouse.columns(table)
        columns = [name for name in personal if name in there]
        whose = [f"{HASH.format(quote(name))} in {HASHES}" for name in columns if name.endswith("email")]
        if "customer_id" in there:
            whose.append(f"customer_id in {CUSTOMERS}")
        if columns and whose:
            empty = ", ".join(f"{quote(name)} = null" for name in columns)
            is_full = " or ".join(f"{quote(name)} is not null" for name in columns)
            rows = warehouse.query(
                f"update {table} set {empty} where ({' or '.join(whose)}) and ({is_full}) returning 1"
            )
            erased[table] = len(rows)
    return erased


def personal_columns() -> dict[str, list[str]]:
    """The columns of raw that are marked as personal data, by table."""
    found = {}
    for path in sorted((ROOT / "models" / "staging").rglob("_*__sources.yml")):
        for source in yaml.safe_load(path.read_text())["sources"]:
            for table in source["tables"]:
                columns = [
                    column["name"]
                    for column in table.get("columns", [])
                    if column.get("config", {}).get("meta", {}).get("pii")
                ]
                if columns and source["schema"] != "raw_secrets":
                    found[f"{source['schema']}.{table['name']}"] = columns
    return found


def forget(who: str) -> dict[str, int]:
    """Erase a customer, by number or e-mail address, everywhere; return the rows of raw that were changed."""
    from operations.build import build
    from operations.publish import publish

    who = who.strip()
    if not who.isdecimal() and "@" not in who:
        raise KindError(f"Whom? {who!r} is neither the number of a customer nor an e-mail address: CUSTOMER=42.")
    if TARGET == "spark":
        raise KindError(
            "Nobody can be forgotten on Spark yet: the earlier states of the lake's tables would keep them. "
            "Forget them on DuckDB or Postgres, and carry the shop to a new lake."
        )
    with only_writer("forget"):
        with step("forget") as outcome:
            with open_warehouse(DATA_DIR) as warehouse:
                keep_salt(warehouse)
                erase(warehouse)
                note_forgotten(warehouse, who)
                erased = erase(warehouse)
            rewrite() if is_file() else rewrite_postgres(list(erased))
            outcome.detail = ", ".join(f"{rows} rows of {table}" for table, rows in erased.items())
        if build(["--full-refresh"]):
            raise KindError("The person is erased from raw, but the build failed: mend its cause, then repeat this.")
        publish()
        delete_copies()
    return erased


def note_forgotten(warehouse: Warehouse, who: str) -> None:
    """Put a person on the list: the number, and the hash of every address known of them."""
    by_number = who.isdecimal()
    known = warehouse.query(
        f"""
        select customer_id, case when {IS_ADDRESS.format("email")} then {HASH.format("email")} end
        from raw_shop.customers
        where {"customer_id" if by_number else HASH.format("email")} = {"%s" if by_number else HASH.format("%s")}
        union
        select null, {HASH.format("guest_email")} from raw_shop.orders
        where {"customer_id" if by_number else HASH.format("guest_email")} = {"%s" if by_number else HASH.format("%s")}
            and {IS_ADDRESS.format("guest_email")}
        """,
        *([int(who)] * 2 if by_number else [who] * 2),
    )
    if not known:
        hint = "already forgotten, or never loaded" if by_number else "try the number of the customer"
        raise KindError(f"Nobody in raw has this {'number' if by_number else 'address'}: {hint}.")
    for customer_id, email_hash in known:
        warehouse.query(
            "insert into raw_secrets.forgotten values (%s, %s, current_timestamp) returning 1", customer_id, email_hash
        )


def rewrite() -> None:
    """Write raw and the snapshots into a new file, for the old one keeps the bytes of what was deleted.

    All the rest is left behind: the build that follows makes it anew.
    """
    fresh = WAREHOUSE.with_suffix(".rewritten")
    fresh.unlink(missing_ok=True)
    with duckdb.connect() as connection:
        connection.execute(f"attach {text(str(WAREHOUSE))} as warehouse")
        connection.execute(f"attach {text(str(fresh))} as fresh (storage_version {text(DUCKDB_STORAGE)})")
        built = connection.execute(
            """
            select schema_name from duckdb_schemas()
            where database_name = 'warehouse' and not internal
                and not starts_with(schema_name, 'raw_') and schema_name not in ('main', 'snapshots')
            """
        ).fetchall()
        for (schema,) in built:
            connection.execute(f"drop schema warehouse.{quote(schema)} cascade")
        connection.execute("copy from database warehouse to fresh; checkpoint fresh; detach fresh; detach warehouse")
    fresh.replace(WAREHOUSE)


def rewrite_postgres(tables: list[str]) -> None:
    """The same on Postgres: write the tables anew, and leave all behind that the build makes again."""
    from warehouses import postgres

    postgres.drop_replaced()
    with closing(postgres.connect("loader")) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for table in tables:
            cursor.execute(f"vacuum (full) {table}")
    with closing(postgres.connect("transformer")) as connection, connection, connection.cursor() as cursor:
        cursor.execute(
            "select nspname from pg_namespace where nspowner = current_user::regrole and nspname <> 'snapshots' "
            "and not starts_with(nspname, 'published')"
        )
        for (schema,) in cursor.fetchall():
            cursor.execute(f"drop schema {quote(schema)} cascade")


def delete_copies() -> None:
    """Delete what may know the person: older states, exports, logs, the sandbox; backups are made anew."""
    from operations.backup import REPLACED, backup
    from operations.publish import prune
    from operations.retention import LOGS

    prune(keep=1)
    for folder in (Path(EXPORTS), REPLACED, LOGS):
        shutil.rmtree(folder, ignore_errors=True)
    for file in DATA_DIR.glob("sandbox.duckdb*"):
        file.unlink()
    if BACKUPS.exists():
        shutil.rmtree(BACKUPS)
        backup()
