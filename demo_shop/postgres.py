"""The shop's PostgreSQL: an embedded server of its own, or a server the user names."""

import shutil
from contextlib import suppress

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn, parse_dsn

from demo_shop.state import ShopError, State, choose_port, shop_dir
from warehouses.server import SUPERUSER, Server

SETTINGS = {
    "wal_level": "logical",
    "max_slot_wal_keep_size": "2GB",
    # a simulated shop can be generated again: speed goes before safety
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}


def server() -> Server:
    """The embedded server."""
    return Server(shop_dir(), SETTINGS, data="postgres")


def remove() -> None:
    """Stop the embedded server and delete its data."""
    stop()
    shutil.rmtree(server().data, ignore_errors=True)


def start(state: State, port: int | None) -> None:
    """Start the embedded server, or check the connection to the one the user named."""
    if state.postgres_url:
        connect(state).close()
        return
    if server().running():
        if port and port != state.postgres_port:
            raise ShopError(
                f"The shop's PostgreSQL runs on port {state.postgres_port} already. "
                "Run `python -m demo_shop stop` before giving another one."
            )
        return
    state.postgres_port = choose_port(port, state.postgres_port, "--postgres-port")
    state.save()
    server().create(state.admin_password)
    server().start(state.postgres_port)


def stop() -> None:
    """Stop the embedded server; open connections are closed."""
    if server().running():
        server().stop()


def address(state: State) -> dict[str, str]:
    """Host, port and database, and for a server the user named whatever else the URL says."""
    if not state.postgres_url:
        return {"host": "127.0.0.1", "port": str(state.postgres_port), "dbname": "shop"}
    return {"host": "localhost", "port": "5432", "dbname": "postgres"} | parse_dsn(state.postgres_url)


def dsn(state: State) -> str:
    """How the shop's owner connects."""
    if state.postgres_url:
        return make_dsn(**address(state))
    return make_dsn(**address(state), user=SUPERUSER, password=state.admin_password)


def url(state: State, user: str, password: str) -> str:
    """A connection URL for SQLAlchemy. Passwords are URL-safe."""
    where = address(state)
    return f"postgresql+psycopg2://{user}:{password}@{where['host']}:{where['port']}/{where['dbname']}"


def admin_url(state: State) -> str:
    """The owner's URL, for people and tests that change rows."""
    if state.postgres_url:
        return state.postgres_url
    return url(state, SUPERUSER, state.admin_password).replace("+psycopg2", "")


def connect(state: State, **options: str) -> psycopg2.extensions.connection:
    """Connect as the shop's owner."""
    try:
        return psycopg2.connect(make_dsn(dsn(state), **options), options="-c timezone=UTC", connect_timeout=10)
    except psycopg2.Error as error:
        where = address(state)
        reason = str(error).strip().splitlines()[-1]
        raise ShopError(
            f"Cannot connect to the shop's PostgreSQL at {where['host']}:{where['port']}: {reason}. "
            + ("Check --postgres-url." if state.postgres_url else "Run `python -m demo_shop start`.")
        ) from error


def create_database(state: State) -> None:
    """Create the embedded server's database `shop`."""
    if state.postgres_url:
        return
    connection = connect(state, dbname="postgres")
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = 'shop'")
            if not cursor.fetchone():
                cursor.execute("create database shop")
    finally:
        connection.close()


ROLES = {"storehouse_loader": "shop", "storehouse_provider": "provider"}


def create_roles(cursor: psycopg2.extensions.cursor, state: State) -> None:
    """One role reads nothing but the shop, another nothing but the store behind the API; neither can write."""
    passwords = {"storehouse_loader": state.loader_password, "storehouse_provider": state.api_password}
    for role, schema in ROLES.items():
        names = {"role": sql.Identifier(role), "schema": sql.Identifier(schema)}
        cursor.execute("select 1 from pg_roles where rolname = %s", [role])
        if not cursor.fetchone():
            cursor.execute(sql.SQL("create role {role}").format(**names))
        for statement in (
            "alter role {role} login noinherit password {password}",
            "alter role {role} set default_transaction_read_only = on",
            "grant usage on schema {schema} to {role}",
            "grant select on all tables in schema {schema} to {role}",
            "alter default privileges in schema {schema} grant select on tables to {role}",
        ):
            cursor.execute(sql.SQL(statement).format(**names, password=sql.Literal(passwords[role])))
    # the start of every open transaction, needed for a safe high-water mark
    cursor.execute("alter role storehouse_loader inherit")
    cursor.execute("grant pg_read_all_stats to storehouse_loader")


def drop_everything(state: State) -> None:
    """Remove the shop from a server the user named."""
    connection = connect(state)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("drop schema if exists sim, shop, provider cascade")
        for role in ROLES:
            # a role that another shop on the same server uses stays
            with suppress(psycopg2.errors.DependentObjectsStillExist), connection, connection.cursor() as cursor:
                cursor.execute(sql.SQL("drop role if exists {}").format(sql.Identifier(role)))
    finally:
        connection.close()
