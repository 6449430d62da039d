"""What the demo shop remembers between commands: one folder, one JSON file, one lock."""

import fcntl
import json
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from pathlib import Path

from ingestion.errors import KindError

REPOSITORY = Path(__file__).resolve().parents[1]
EPOCH = date(2024, 1, 1)


class ShopError(KindError):
    """Something a person can mend; the text says what, where and what to do."""


@dataclass(frozen=True)
class Size:
    """How much of everything a shop has over its first `base_days` days."""

    base_days: int
    orders: int
    persons: int
    products: int
    suppliers: int
    sessions: int
    session_share: float


SIZES = {
    "tiny": Size(420, 600, 175, 25, 5, 1_500, 0.5),
    "small": Size(731, 40_000, 5_600, 250, 20, 60_000, 0.2),
    "large": Size(731, 2_120_000, 250_000, 2_000, 60, 500_000, 0.08),
}


def data_dir() -> Path:
    """The folder of all runtime files: STOREHOUSE_DATA_DIR, relative to the repository, `data` by default."""
    return (REPOSITORY / (os.environ.get("STOREHOUSE_DATA_DIR") or "data")).resolve()


def shop_dir() -> Path:
    """The folder of the demo shop."""
    return data_dir() / "demo_shop"


def new_secret() -> str:
    """A password or token nobody has to type."""
    return secrets.token_urlsafe(24)


@dataclass
class State:
    """The demo shop's memory. `days` is the goal: how many days are to exist, even when generating was interrupted."""

    size: str
    seed: int
    days: int
    postgres_port: int = 0
    api_port: int = 0
    recipe: str = ""  # fingerprint of the SQL that made the shop
    postgres_url: str = ""  # an existing server, given by the user
    fault_rate: float = 0.02
    incidents: list[str] = field(default_factory=list)
    admin_password: str = field(default_factory=new_secret)
    loader_password: str = field(default_factory=new_secret)
    api_password: str = field(default_factory=new_secret)
    api_token: str = field(default_factory=new_secret)
    api_pid: int = 0
    api_started: str = ""  # tells the server from a later process with the same pid

    @property
    def today(self) -> date:
        """The last simulated day."""
        return EPOCH + timedelta(days=self.days - 1)

    def save(self) -> None:
        """Write the state so that it is never half there and never readable by others."""
        path = shop_dir() / "state.json"
        draft = path.with_suffix(".new")
        draft.touch(mode=0o600)
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(path)


def load_state() -> State | None:
    """The state of the existing shop, or None when there is none."""
    path = shop_dir() / "state.json"
    try:
        return State(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise ShopError(f"{path} is damaged ({error}). Run `python -m demo_shop reset` and start again.") from error


@contextmanager
def locked() -> Iterator[None]:
    """Only one command at a time works on a shop."""
    folder = shop_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("a+")
    except OSError as error:
        raise ShopError(
            f"Cannot write to {folder}: {error.strerror}. Set STOREHOUSE_DATA_DIR to another folder."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            raise ShopError(f"Another demo_shop command (pid {holder}) is at work in {folder}. Wait for it.") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def is_free(port: int) -> bool:
    """Whether a port on loopback can be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_port(wanted: int | None, remembered: int, option: str) -> int:
    """The wanted port, else the remembered one, else any free one."""
    if wanted:
        if not is_free(wanted):
            raise ShopError(f"Port {wanted} on 127.0.0.1 is taken. Free it, or give another one with {option}.")
        return wanted
    if remembered and is_free(remembered):
        return remembered
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
