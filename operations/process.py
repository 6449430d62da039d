"""Run a command as one step of a run: under the warehouse's lock and under the run's id."""

import os
import signal
import subprocess
from collections.abc import Sequence
from uuid import uuid4

from ingestion.errors import KindError
from operations.lock import INHERITED, inherited_lock, name_holder, only_writer
from operations.settings import LOCK, now

RUN_ID = "STOREHOUSE_RUN_ID"


def run_id() -> str:
    """The id of this run, from its load to its publish; the outermost command makes it."""
    return os.environ.setdefault(RUN_ID, f"{now():%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}")


def run_locked(purpose: str, command: Sequence[str], wait_seconds: float | None) -> int:
    """Run a command while holding the lock; return its exit code."""
    outermost = inherited_lock(LOCK) is None
    with only_writer(purpose, wait_seconds=wait_seconds) as lock:
        environment = os.environ | {
            INHERITED: str(lock),
            RUN_ID: run_id(),
            # dbt copies variables of this prefix into its artifacts.
            "DBT_ENV_CUSTOM_ENV_RUN_ID": run_id(),
        }
        try:
            child = subprocess.Popen(command, env=environment, pass_fds=[lock])
        except OSError as error:
            raise KindError(f"Cannot start {command[0]}: {error.strerror}.", 127) from None
        # The command inherited the lock and keeps it even when this process is killed.
        if outermost:
            name_holder(lock, child.pid, purpose)
        # Ctrl-C reaches the command by itself; what is sent to this process alone is passed on.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
        code = child.wait()
    return code if code >= 0 else 128 - code
