"""Run a command as one step of a run: under the warehouse's lock and under the run's id."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from ingestion.errors import KindError
from operations.lock import inherited_lock, name_holder, only_writer
from operations.settings import LOCK
from operations.steps import run_id, step


def run_locked(purpose: str, command: Sequence[str], wait_seconds: float | None = None) -> int:
    """Run a command while holding the lock; return its exit code."""
    outermost = inherited_lock(LOCK) is None
    with step(purpose) as outcome, only_writer(purpose, wait_seconds=wait_seconds) as lock:
        # dbt copies variables of this prefix into its artifacts.
        environment = os.environ | {"DBT_ENV_CUSTOM_ENV_RUN_ID": run_id()}
        try:
            child = subprocess.Popen(command, env=environment, pass_fds=[lock], stderr=subprocess.PIPE, text=True)
        except OSError as error:
            raise KindError(f"Cannot start {command[0]}: {error.strerror}.", 127) from None
        # The command inherited the lock and keeps it even when this process is killed.
        if outermost:
            name_holder(lock, child.pid, purpose)
        with signals_for(child):
            for line in child.stderr:
                print(line, end="", file=sys.stderr, flush=True)
                outcome.detail = line.strip() or outcome.detail
            code = child.wait()
        outcome.exit_code = code if code >= 0 else 128 - code
        if not outcome.exit_code:
            outcome.detail = None
    return outcome.exit_code


@contextmanager
def signals_for(child: subprocess.Popen) -> Iterator[None]:
    """Let the command decide what a signal means: Ctrl-C reaches it by itself, what is sent to us is passed on."""
    handlers = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: lambda number, _: child.send_signal(number)}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
