"""One writer at a time: a lock file beside the warehouse that says who holds it, since when and what for.

The operating system frees the lock when the last process that inherited it ends, however it ends. A command started by
the holder works under the holder's lock: the open file is handed down, and its number in STOREHOUSE_LOCK_FD.
"""

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingestion.errors import LOCKED, KindError
from operations.settings import LOCK, TARGET, now, shown

INHERITED = "STOREHOUSE_LOCK_FD"
WAIT_SECONDS = float(os.environ.get("STOREHOUSE_LOCK_WAIT_SECONDS", "300"))
REMIND_EVERY_SECONDS = 30


@contextmanager
def only_writer(purpose: str, path: Path = LOCK, wait_seconds: float | None = None) -> Iterator[int]:
    """Hold the warehouse's lock, waiting for it with a visible message; give the open file's number."""
    if (inherited := inherited_lock(path)) is not None:
        yield inherited
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        wait_for(file, path, WAIT_SECONDS if wait_seconds is None else wait_seconds)
        name_holder(file, os.getpid(), purpose)
        os.environ[INHERITED] = str(file)
        with server_lock() if TARGET == "postgres" else contextlib.nullcontext():
            yield file
    finally:
        os.environ.pop(INHERITED, None)
        os.close(file)


@contextmanager
def server_lock() -> Iterator[None]:
    """Hold the lock of a Postgres warehouse as well: the file's lock does not reach other machines."""
    from warehouses import postgres

    with contextlib.closing(postgres.connect("transformer")) as connection, connection.cursor() as cursor:
        cursor.execute("select pg_try_advisory_lock(hashtext('storehouse writer'))")
        if not cursor.fetchone()[0]:
            raise KindError("Another pipeline is writing to this Postgres warehouse. Wait until it is done.", LOCKED)
        connection.commit()
        yield


def inherited_lock(path: Path) -> int | None:
    """The lock file that the process which started this one holds and handed down, if there is one."""
    try:
        file = int(os.environ.get(INHERITED, ""))
        if os.path.samestat(os.fstat(file), path.stat()):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
    except (ValueError, OSError):
        pass
    return None


def wait_for(file: int, path: Path, wait_seconds: float) -> None:
    """Take the lock as soon as it is free; give up, naming the holder, when it is not free in time."""
    started = time.monotonic()
    told_at: float | None = None
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - started
        if waited >= wait_seconds:
            after = f" still, after {waited:.0f} seconds of waiting" if wait_seconds else ""
            raise KindError(
                f"The warehouse is held by {holder(file)}{after} ({shown(path)}). "
                "Run this again when that is done, or stop it.",
                LOCKED,
            )
        if told_at is None or waited - told_at >= REMIND_EVERY_SECONDS:
            left = wait_seconds - waited
            print(f"Waiting up to {left:.0f} s for the warehouse: held by {holder(file)}.", file=sys.stderr, flush=True)
            told_at = waited
        time.sleep(min(0.2, wait_seconds - waited))


def name_holder(file: int, pid: int, purpose: str) -> None:
    """Write into the lock file who holds it, for the one who waits and for whoever looks."""
    os.ftruncate(file, 0)
    os.pwrite(file, f"process {pid} ({purpose}, since {now():%Y-%m-%d %H:%M:%S} UTC)\n".encode(), 0)


def holder(file: int) -> str:
    """Who holds the lock, in words."""
    return os.pread(file, 1000, 0).decode().strip() or "another process"
