"""Command line of the demo shop: `python -m demo_shop --help`."""

import argparse
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import psycopg2
from psycopg2.extensions import parse_dsn

from demo_shop import files, generate, postgres
from demo_shop.state import (
    REPOSITORY,
    SIZES,
    ShopError,
    State,
    choose_port,
    data_dir,
    load_state,
    locked,
    shop_dir,
)

SECRETS = REPOSITORY / ".dlt" / "secrets.toml"
SECRETS_MARK = "# Written by the demo shop (make demo), and written again at every start."
INCIDENTS = {"rename-amount": "/v1/payments calls its field `amount` `amount_value`"}
NO_SHOP = "There is no demo shop yet. Run `make demo` or `python -m demo_shop start`."


def say(text: str) -> None:
    """A line of progress."""
    print(f"demo shop: {text}", flush=True)


def existing_shop() -> State:
    """The shop's state, or an error when there is none."""
    state = load_state()
    if state is None:
        raise ShopError(NO_SHOP)
    return state


# The API server


def process_started(pid: int) -> str:
    """When a process was started, to tell it from a later one with the same pid; empty when there is none."""
    if Path("/proc/self/stat").exists():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return ""
        state, started = fields[0], fields[19]
    else:
        result = subprocess.run(["ps", "-o", "state=,lstart=", "-p", str(pid)], capture_output=True, text=True)
        state, _, started = result.stdout.strip().partition(" ")
    # a zombie has ended already
    return "" if state.startswith("Z") else started.strip()


def api_is_running(state: State) -> bool:
    """Whether the API server that this shop started is still there."""
    return bool(state.api_started) and process_started(state.api_pid) == state.api_started


def api_url(state: State) -> str:
    """The base URL of the API."""
    return f"http://127.0.0.1:{state.api_port}"


def start_api(state: State, port: int | None) -> None:
    """Start the API server in a process that outlives this one, and wait until it answers."""
    if api_is_running(state):
        if port and port != state.api_port:
            raise ShopError(
                f"The shop's API runs on port {state.api_port} already. "
                "Run `python -m demo_shop stop` before giving another one."
            )
        return
    state.api_port = choose_port(port, state.api_port, "--api-port")
    state.save()
    log = shop_dir() / "api.log"
    with log.open("a") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo_shop.api"],
            cwd=REPOSITORY,
            env=os.environ | {"STOREHOUSE_DATA_DIR": str(data_dir())},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    state.api_pid, state.api_started = process.pid, process_started(process.pid)
    state.save()
    for _ in range(150):
        if process.poll() is not None:
            break
        try:
            with urlopen(f"{api_url(state)}/health", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise ShopError(f"The API server did not start on port {state.api_port}; see the end of {log}.")


def stop_api(state: State) -> None:
    """End the API server."""
    if api_is_running(state):
        os.kill(state.api_pid, signal.SIGTERM)
        for _ in range(100):
            if not api_is_running(state):
                break
            time.sleep(0.05)
        else:
            os.kill(state.api_pid, signal.SIGKILL)
    state.api_pid, state.api_started = 0, ""
    state.save()


# Commands


def connections(state: State) -> dict[str, str]:
    """How the pipeline reaches the shop, under the names that dlt reads."""
    return {
        "SOURCES__SHOP__CREDENTIALS": postgres.url(state, "storehouse_loader", state.loader_password),
        "SOURCES__API__BASE_URL": api_url(state),
        "SOURCES__API__TOKEN": state.api_token,
        "SOURCES__FILES__BUCKET_URL": str(files.folder()),
        # No secret here: what is made up looks the same on every machine.
        "OPERATIONS__EMAIL_SALT": f"demo shop {state.seed}",
    }


def write_secrets(state: State) -> None:
    """Tell dlt where the shop is, unless a person has written that file."""
    if SECRETS.exists() and not SECRETS.read_text().startswith(SECRETS_MARK):
        say(f"{SECRETS} is not ours and stays as it is; `python -m demo_shop env` prints the shop's connections.")
        return
    values = {name: json.dumps(value) for name, value in connections(state).items()}
    SECRETS.parent.mkdir(exist_ok=True)
    draft = SECRETS.with_suffix(".new")
    draft.touch(mode=0o600)
    draft.write_text(
        f"{SECRETS_MARK}\n"
        f"[sources.shop]\ncredentials = {values['SOURCES__SHOP__CREDENTIALS']}\n\n"
        f"[sources.api]\nbase_url = {values['SOURCES__API__BASE_URL']}\ntoken = {values['SOURCES__API__TOKEN']}\n\n"
        f"[sources.files]\nbucket_url = {values['SOURCES__FILES__BUCKET_URL']}\n\n"
        f"[operations]\nemail_salt = {values['OPERATIONS__EMAIL_SALT']}\n"
    )
    draft.replace(SECRETS)


def new_state(options: argparse.Namespace) -> State:
    """The state of a shop that does not exist yet."""
    size = options.size or "small"
    return State(
        size=size,
        seed=42 if options.seed is None else options.seed,
        days=options.days or SIZES[size].base_days,
        postgres_url=options.postgres_url or "",
    )


def check_same_shop(state: State, options: argparse.Namespace) -> None:
    """An existing shop is not silently turned into another one."""
    for name, there in {"size": state.size, "seed": state.seed, "postgres_url": state.postgres_url}.items():
        wanted = getattr(options, name)
        if wanted is not None and wanted != there:
            what = "a shop on another server" if name == "postgres_url" else f"a shop of {name} {there}"
            raise ShopError(
                f"There is already {what} in {shop_dir()}. "
                "To make another one, run `make demo-reset` (or `python -m demo_shop reset`) first."
            )
    if options.days is not None and options.days != state.days:
        raise ShopError(
            f"The shop in {shop_dir()} is {state.days} days old (today is {state.today}). Let time pass with "
            "`python -m demo_shop advance --days N`, or reset it and start anew."
        )


def start(options: argparse.Namespace) -> None:
    """Make the shop if there is none, and start its servers."""
    state = load_state()
    if state:
        check_same_shop(state, options)
    else:
        state = new_state(options)
        # nothing is remembered of a shop that cannot be made
        for name, wanted in (("--postgres-port", options.postgres_port), ("--api-port", options.api_port)):
            choose_port(wanted, 0, name)
        if state.postgres_url:
            postgres.connect(state).close()
        say(f"a new shop of size {state.size}, seed {state.seed}, {state.days} days")
    was_running = api_is_running(state) and (bool(state.postgres_url) or postgres.server().running())
    if options.fault_rate is not None and options.fault_rate != state.fault_rate:
        state.fault_rate = options.fault_rate
        stop_api(state)
    state.save()
    postgres.start(state, options.postgres_port)
    postgres.create_database(state)
    generate.advance(state, say)
    start_api(state, options.api_port)
    if options.write_secrets:
        write_secrets(state)
    place = postgres.address(state)
    say("is already running" if was_running else "is open")
    say(f"today is {state.today}; PostgreSQL {place['host']}:{place['port']}, API {api_url(state)}")
    say(f"files are in {files.folder()}")


def stop(_: argparse.Namespace) -> None:
    """Stop the servers and keep the data."""
    state = load_state()
    if state is None:
        say("there is none, nothing to stop")
        return
    stop_api(state)
    postgres.stop()
    say("closed; its data stays")


def reset(_: argparse.Namespace) -> None:
    """Stop the servers and delete the shop."""
    try:
        state = load_state()
    except ShopError:
        state = None
    if state:
        stop_api(state)
        if state.postgres_url:
            postgres.drop_everything(state)
    postgres.remove()
    for path in shop_dir().iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    # a shop in another data folder may have written them
    if SECRETS.exists() and SECRETS.read_text().startswith(SECRETS_MARK) and str(files.folder()) in SECRETS.read_text():
        SECRETS.unlink()
    say("deleted")


def advance(options: argparse.Namespace) -> None:
    """Let days pass."""
    state = existing_shop()
    postgres.connect(state).close()
    state.days += options.days
    state.save()
    generate.advance(state, say)
    say(f"today is {state.today}")


COUNTS = """
    select table_schema || '.' || table_name
    from information_schema.tables
    where table_schema in ('shop', 'provider') and table_type = 'BASE TABLE'
    order by table_schema desc, table_name
"""


def status(_: argparse.Namespace) -> None:
    """Say what the shop is, where it is and how much is in it."""
    state = existing_shop()
    place = postgres.address(state)
    database_runs = bool(state.postgres_url) or postgres.server().running()
    print(f"size {state.size}, seed {state.seed}, {state.days} days, today is {state.today}")
    pid = "" if state.postgres_url else f", pid {postgres.server().pid()}"
    print(f"PostgreSQL  {place['host']}:{place['port']}{pid}" if database_runs else "PostgreSQL  stopped")
    print(f"API         {api_url(state)}, pid {state.api_pid}" if api_is_running(state) else "API         stopped")
    print(f"files       {files.folder()}")
    if not database_runs:
        return
    connection = postgres.connect(state)
    with connection, connection.cursor() as cursor:
        cursor.execute(COUNTS)
        for (table,) in cursor.fetchall():
            cursor.execute(f"select count(*) from {table}")
            print(f"  {table:<28}{cursor.fetchone()[0]:>12,}")
    connection.close()


def incident(options: argparse.Namespace) -> None:
    """Let something go wrong at a provider, or end it."""
    state = existing_shop()
    wanted = [] if options.undo else [options.name]
    state.incidents = [name for name in state.incidents if name != options.name] + wanted
    stop_api(state)
    start_api(state, None)
    say(f"incident {options.name} is {'over' if options.undo else 'on'}")


def env(_: argparse.Namespace) -> None:
    """Print the shop's connections as lines for a shell."""
    state = existing_shop()
    for name, value in (connections(state) | {"DEMO_SHOP_ADMIN_URL": postgres.admin_url(state)}).items():
        print(f"export {name}={shlex.quote(value)}")


def port(text: str) -> int:
    """A port number."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port (1 to 65535)")
    return int(text)


def days(text: str) -> int:
    """A number of days."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of days (1 or more)")
    return int(text)


def server_url(text: str) -> str:
    """A URL of a PostgreSQL server, as libpq understands it."""
    plain = text.replace("postgresql+psycopg2://", "postgresql://")
    try:
        parse_dsn(plain)
    except psycopg2.ProgrammingError:
        raise argparse.ArgumentTypeError(
            "this is no URL such as postgresql://user:password@host:5432/database"
        ) from None
    return plain


def share(text: str) -> float:
    """A share of requests. A shop whose every request fails is of no use."""
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 0.9:
        raise argparse.ArgumentTypeError(f"{text!r} is no share (0 to 0.9)")
    return value


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    result = argparse.ArgumentParser(
        prog="python -m demo_shop",
        description="A simulated web shop: a PostgreSQL server, an HTTP API and files, on this machine only.",
        epilog="All runtime files are in $STOREHOUSE_DATA_DIR/demo_shop (default: data/demo_shop).",
    )
    commands = result.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def command(function, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(function.__name__, help=text, description=text)
        made.set_defaults(function=function)
        return made

    made = command(start, "make the shop if there is none, and start its servers (harmless when they run)")
    made.add_argument("--size", choices=SIZES, help="how big a new shop is (default: small)")
    made.add_argument("--seed", type=int, help="the same seed gives the same shop (default: 42)")
    made.add_argument("--days", type=days, help="how many days from 2024-01-01 on (default: 420 or 731)")
    made.add_argument("--postgres-port", type=port, help="port of PostgreSQL (default: a free one, then always that)")
    made.add_argument("--api-port", type=port, help="port of the API (default: a free one, then always that)")
    made.add_argument("--postgres-url", type=server_url, help="use this server instead of the embedded one")
    made.add_argument("--write-secrets", action="store_true", help="write the connections to .dlt/secrets.toml")
    made.add_argument("--fault-rate", type=share, help="share of API requests that fail on purpose (default: 0.02)")
    command(stop, "stop the servers and keep the data")
    command(reset, "stop the servers and delete the shop")
    command(status, "say what there is and where")
    made = command(advance, "let days pass in the shop")
    made.add_argument("--days", type=days, default=1, help="how many (default: 1)")
    made = command(incident, "let something go wrong at a provider")
    made.add_argument("name", choices=INCIDENTS, help="; ".join(f"{name}: {what}" for name, what in INCIDENTS.items()))
    made.add_argument("--undo", action="store_true", help="end the incident")
    command(env, 'print the connections as shell lines: eval "$(python -m demo_shop env)"')
    return result


def main() -> int:
    """Run one command; errors are one line."""
    options = parser().parse_args()
    try:
        if options.function in (status, env):
            options.function(options)
        else:
            with locked():
                options.function(options)
    except ShopError as error:
        print(f"demo shop: {error}", file=sys.stderr)
        return 1
    except psycopg2.Error as error:
        print(f"demo shop: PostgreSQL says: {str(error).strip().splitlines()[0]}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"demo shop: {error.strerror or error}: {error.filename or data_dir()}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo shop: interrupted; the next start goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
