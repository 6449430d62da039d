"""The Postgres warehouse: an embedded server, or any server by URL, with a role for each kind of work.

| role | may |
|---|---|
| `warehouse_loader` | make and fill the `raw_...` schemas |
| `warehouse_transformer` | read raw; make and fill every other schema |
| `warehouse_reader` | read what is published, nothing else |
| `warehouse_lake` | keep the catalog of Spark's tables, in a database of its own |
"""

import json
import os
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import psycopg2
from psycopg2 import sql

from ingestion.errors import KindError
from warehouses.server import SUPERUSER, Server, programs
from warehouses.settings import ROOT, folder, free_port, new_secret, read_state, write_private

URL = "STOREHOUSE_POSTGRES_URL"
DATABASE = "storehouse"
LAKE = "storehouse_lake"
REPLACED = "storehouse_replaced"
# Text compares by bytes.
AS_ON_OTHER_ENGINES = "template template0 encoding 'UTF8' locale 'C'"
# role -> its database; database -> what its roles may do there
ROLES = {"loader": DATABASE, "transformer": DATABASE, "reader": DATABASE, "lake": LAKE}
# Bulk writes, few sessions, no replica. Everything else is PostgreSQL's default, durability too.
SETTINGS = {
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "jit": "off",
    "client_connection_check_interval": "10s",
}
GRANTS = {DATABASE: ROOT / "warehouses" / "grants.sql", LAKE: ROOT / "warehouses" / "lake_grants.sql"}


def start() -> None:
    """Make the warehouse ready: the server where it is ours, then databases, roles and grants."""
    state = remembered()
    if os.environ.get(URL):
        state |= located(os.environ[URL])
    else:
        state |= start_embedded(state)
    state["passwords"] = {role: state.get("passwords", {}).get(role) or new_secret() for role in ROLES}
    # Of a server that is not ours, only our own roles' passwords are kept.
    remember({key: value for key, value in state.items() if key != "admin" or not os.environ.get(URL)})
    set_up(state)
    print(f"Postgres is ready: {state['host']}:{state['port']}, database {DATABASE}.")


def start_embedded(state: dict[str, Any]) -> dict[str, Any]:
    """Start the server in the data folder if it is not running."""
    server = Server(folder("postgres"), SETTINGS)
    state = {"host": "127.0.0.1", "port": state.get("port"), "admin": {"user": SUPERUSER}} | state
    state["admin"].setdefault("password", new_secret())
    remember(state)
    server.create(state["admin"]["password"])
    if not server.running():
        state["port"] = free_port(state["port"])
        remember(state)
        server.start(state["port"])
    return state


def located(url: str) -> dict[str, Any]:
    """Host, port and administrator of a server given by its URL."""
    parts = urlsplit(url)
    if not (parts.hostname and parts.username):
        raise KindError(f"{URL} must look like postgresql://administrator:password@host:5432/postgres.")
    admin = {
        "user": unquote(parts.username),
        "password": unquote(parts.password or ""),
        "database": parts.path.strip("/") or "postgres",
    }
    return {"host": parts.hostname, "port": parts.port or 5432, "admin": admin}


def stop() -> None:
    """Stop the embedded server; its data stays."""
    server = Server(folder("postgres"), SETTINGS)
    if not server.running():
        print("Postgres is not running, or is not ours to stop.")
        return
    server.stop()
    print("Postgres is stopped.")


def status() -> str:
    """One line about the warehouse."""
    state = remembered()
    if not state.get("passwords"):
        return "Postgres: not set up"
    try:
        with closing(connect("transformer")) as connection, connection.cursor() as cursor:
            cursor.execute("select pg_size_pretty(pg_database_size(current_database()))")
            return f"Postgres: {state['host']}:{state['port']}, database storehouse, {cursor.fetchone()[0]}"
    except KindError:
        return f"Postgres: not running (was on {state['host']}:{state['port']})"


def environment() -> dict[str, str]:
    """What dbt and ingestion need to know to use the warehouse."""
    dbt = connection("transformer")
    return {
        "STOREHOUSE_TARGET": "postgres",
        "STOREHOUSE_POSTGRES_HOST": dbt["host"],
        "STOREHOUSE_POSTGRES_PORT": str(dbt["port"]),
        "DBT_ENV_SECRET_POSTGRES_PASSWORD": dbt["password"],
    }


def connection(role: str) -> dict[str, Any]:
    """How one role reaches its database."""
    state = remembered()
    if not state.get("passwords"):
        raise KindError("There is no Postgres warehouse yet: run `python -m warehouses start postgres`.")
    return {
        "host": state["host"],
        "port": state["port"],
        "database": ROLES[role],
        "user": f"warehouse_{role}",
        "password": state["passwords"][role],
    }


def url(role: str) -> str:
    """The same as one URL."""
    to = connection(role)
    return f"postgresql://{to['user']}:{quote(to['password'], safe='')}@{to['host']}:{to['port']}/{to['database']}"


def connect(role: str) -> "psycopg2.extensions.connection":
    """A session of one role."""
    return open_session(**connection(role))


def open_session(**to: Any) -> "psycopg2.extensions.connection":
    """A session; what went wrong in one line."""
    try:
        return psycopg2.connect(**to, connect_timeout=10, application_name="storehouse")
    except psycopg2.OperationalError as error:
        said = str(error).strip().splitlines()[0]
        raise KindError(
            f"The Postgres warehouse at {to['host']}:{to['port']} cannot be reached ({said}). "
            "Start it with `python -m warehouses start postgres`."
        ) from None


def as_csv(cursor: Any, schema: str, table: str, file: Path) -> str:
    """Write a table to a file; return what DuckDB reads it by, with the types that Postgres says."""
    cursor.execute(
        "select column_name, data_type, numeric_precision, numeric_scale from information_schema.columns "
        "where table_schema = %s and table_name = %s order by ordinal_position",
        [schema, table],
    )
    types = {name: duckdb_type(*type_) for name, *type_ in cursor.fetchall()}
    with file.open("wb") as stream:
        cursor.copy_expert(
            f'copy (select * from {schema}."{table}") to stdout with (format csv, force_quote *)', stream
        )
    return (
        f"read_csv('{file}', columns = {types}, auto_detect = false, header = false, "
        "delim = ',', quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false)"
    )


def duckdb_type(name: str, precision: int | None, scale: int | None) -> str:
    """DuckDB's name of a type of Postgres."""
    if name == "numeric":
        return f"decimal({precision}, {scale})" if precision else "decimal(38, 12)"
    return {"character varying": "varchar", "text": "varchar", "double precision": "double"}.get(name, name)


def dump(file: Path) -> None:
    """Write the whole database into a file."""
    run_program("pg_dump", "--format=custom", f"--file={file}", DATABASE)


def restore(file: Path) -> None:
    """Put the database of a file in the place of ours, which stays beside it; sessions that are open end."""
    restored, state = f"{DATABASE}_restored", remembered()
    with closing(open_session(**administrator(state))) as session, session.cursor() as cursor:
        session.autocommit = True
        cursor.execute(f"drop database if exists {restored}")
        cursor.execute(f"create database {restored} {AS_ON_OTHER_ENGINES}")
        run_program("pg_restore", "--exit-on-error", f"--dbname={restored}", str(file))
        cursor.execute(f"drop database if exists {REPLACED} with (force)")
        cursor.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [DATABASE])
        cursor.execute(f"alter database {DATABASE} rename to {REPLACED}")
        cursor.execute(f"alter database {restored} rename to {DATABASE}")
    set_up(state)


def drop_replaced() -> None:
    """Drop the database that a restore left beside ours."""
    if "admin" in (state := remembered()):
        with closing(open_session(**administrator(state))) as session, session.cursor() as cursor:
            session.autocommit = True
            cursor.execute(f"drop database if exists {REPLACED} with (force)")


def run_program(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs as the administrator of the server, which must be ours."""
    server = administrator(remembered())
    environment = {"PGHOST": server["host"], "PGPORT": str(server["port"]), "PGUSER": server["user"]}
    done = subprocess.run(
        [programs() / name, *arguments],
        env=os.environ | environment | {"PGPASSWORD": server["password"]},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise KindError(f"PostgreSQL's {name} failed: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}")


def administrator(state: dict[str, Any]) -> dict[str, Any]:
    """How the administrator reaches the server that is ours."""
    if "admin" not in state:
        raise KindError(
            "This Postgres server is not ours: back it up with its own means (pg_dump), and keep data/ with that."
        )
    return {"host": state["host"], "port": state["port"], "database": "postgres"} | state["admin"]


def set_up(state: dict[str, Any]) -> None:
    """Make the databases, roles and grants; what is there already stays."""
    server = administrator(state)
    with closing(open_session(**server)) as session:
        session.autocommit = True
        with session.cursor() as cursor:
            for role, password in state["passwords"].items():
                make_role(cursor, f"warehouse_{role}", password)
            cursor.execute("select datname from pg_database")
            there = {name for (name,) in cursor.fetchall()}
            for database in GRANTS.keys() - there:
                cursor.execute(f"create database {database} {AS_ON_OTHER_ENGINES}")
    for database, grants in GRANTS.items():
        with closing(open_session(**server | {"database": database})) as session, session, session.cursor() as cursor:
            cursor.execute(grants.read_text())


def make_role(cursor: Any, role: str, password: str) -> None:
    """Make a role that may log in, or give it the password we know."""
    cursor.execute("select 1 from pg_roles where rolname = %s", [role])
    verb = "alter" if cursor.fetchone() else "create"
    cursor.execute(
        sql.SQL(verb + " role {} login nosuperuser nocreatedb nocreaterole password {}").format(
            sql.Identifier(role), sql.Literal(password)
        )
    )


def remembered() -> dict[str, Any]:
    """What an earlier command wrote down."""
    return read_state(folder("postgres") / "state.json")


def remember(state: dict[str, Any]) -> None:
    """Write down how the warehouse is reached."""
    write_private(folder("postgres") / "state.json", json.dumps(state, indent=2))
