"""One writer per warehouse: who waits, who leaves, and what a killed holder leaves behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from conftest import ROOT, Workspace

LOCKED = [sys.executable, "-m", "operations", "run-locked"]


@pytest.fixture
def start(workspace: Workspace) -> Callable[..., subprocess.Popen]:
    """Start a command that holds the lock, and come back when it does."""

    def start_holder(purpose: str, *command: str) -> subprocess.Popen:
        lock = workspace.data_dir / "warehouse.lock"
        before = lock.read_text() if lock.exists() else ""
        process = subprocess.Popen(
            [*LOCKED, "--for", purpose, "--", *command],
            cwd=ROOT,
            env=workspace.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def names_the_command() -> bool:
            # It is empty or old at first, then it names the wrapper.
            text = lock.read_text() if lock.exists() else ""
            return text not in ("", before) and not text.startswith(f"process {process.pid} ")

        until(names_the_command)
        return process

    return start_holder


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def command_pid(space: Workspace) -> int:
    """The process that the lock file names."""
    return int((space.data_dir / "warehouse.lock").read_text().split()[1])


def locked(space: Workspace, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a command under the lock."""
    return space.run(*LOCKED, *arguments, check=check)


def test_the_second_one_waits_visibly_and_then_runs(workspace: Workspace, start: Callable) -> None:
    first = start("build", "sleep", "2")
    second = locked(workspace, "--for", "ingest", "--", "echo", "my turn")
    assert first.wait(20) == 0
    assert second.stdout == "my turn\n"
    assert "Waiting up to 300 s for the warehouse: held by process" in second.stderr
    assert "(build, since 20" in second.stderr


def test_the_second_one_leaves_with_75_and_the_holders_name(workspace: Workspace, start: Callable) -> None:
    first = start("build", "sleep", "60")
    pid = command_pid(workspace)
    second = locked(workspace, "--for", "ingest", "--wait", "0.5", "--", "echo", "never", check=False)
    assert second.returncode == 75
    assert "never" not in second.stdout.splitlines()
    assert f"held by process {pid} (build, since 20" in second.stderr
    assert "Traceback" not in second.stderr
    first.terminate()
    assert first.wait(10) == 128 + signal.SIGTERM


def test_a_killed_holder_frees_the_lock_by_itself(workspace: Workspace, start: Callable) -> None:
    first = start("build", "sleep", "60")
    os.kill(command_pid(workspace), signal.SIGKILL)
    assert first.wait(10) == 128 + signal.SIGKILL
    assert locked(workspace, "--for", "ingest", "--wait", "0", "--", "echo", "free").stdout == "free\n"


def test_a_command_keeps_the_lock_when_only_its_wrapper_is_killed(workspace: Workspace, start: Callable) -> None:
    first = start("build", "sleep", "60")
    orphan = command_pid(workspace)
    first.kill()
    first.wait(10)
    assert locked(workspace, "--for", "ingest", "--wait", "0", "--", "true", check=False).returncode == 75
    os.kill(orphan, signal.SIGKILL)
    assert locked(workspace, "--for", "ingest", "--wait", "5", "--", "echo", "free").stdout == "free\n"


def test_a_command_inside_a_locked_command_works_under_the_same_lock_and_run_id(workspace: Workspace) -> None:
    show = 'echo "$STOREHOUSE_RUN_ID"'
    inner = f"{' '.join(LOCKED)} --for publish --wait 0 -- bash -c '{show}'"
    outer, nested = locked(workspace, "--for", "run", "--", "bash", "-c", f"{show}; {inner}").stdout.splitlines()
    assert outer and nested == outer


def test_exit_codes_pass_through_and_a_missing_command_is_one_line(workspace: Workspace) -> None:
    assert locked(workspace, "--for", "build", "--", "bash", "-c", "exit 3", check=False).returncode == 3
    missing = locked(workspace, "--for", "build", "--", "no-such-command", check=False)
    assert missing.returncode == 127
    assert missing.stderr == "✗ Cannot start no-such-command: No such file or directory.\n"
