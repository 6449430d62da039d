"""Commands without their start: a process that has imported everything once, and becomes a copy of itself for each.

A test runs dozens of commands, and most of what each costs is the import of dbt or dlt. The copy (`os.fork`) is a
process of its own that calls the same `main` with the same arguments: it can be killed, and what it opened closes.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

SERVER = """
import atexit, gc, importlib, json, os, sys, traceback

modules = {name: importlib.import_module(name) for name in sys.argv[1:]}
gc.disable()  # commands are too short to pay for it
for line in sys.stdin:
    request = json.loads(line)
    child = os.fork()
    if not child:
        for number, name in enumerate(('stdout', 'stderr'), 1):
            os.dup2(os.open(request[name], os.O_WRONLY | os.O_APPEND), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.environ.clear()
        os.environ.update(request['env'])
        sys.argv, code = request['argv'], 1
        try:
            code = getattr(modules[request['module']], request['function'])()
        except SystemExit as end:
            code = end.code
        except BaseException:
            traceback.print_exc()
        # Threads that libraries began on import are not here: what ends them must not run.
        atexit._run_exitfuncs()
        sys.stdout.flush()
        os._exit(code or 0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
# What each kind of command needs: where its `main` is, and what else is worth being there before.
DBT = "dbt.cli.main"
MODULES = {
    "dbt": (DBT, "dbt.adapters.duckdb", "dbt.adapters.postgres"),
    "python": ("ingestion.__main__", "operations.__main__", "ingestion.run", "operations.alerts", "operations.publish"),
}


class Warm:
    """The processes of one workspace; commands run one at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = Path(tempfile.mkdtemp(prefix="warm-"))
        self.servers: dict[tuple, subprocess.Popen] = {}
        self.count = 0

    def start(self, command: Sequence[str], env: Mapping[str, str]) -> "Running | None":
        """Start a command, if it is one of those known here."""
        line = list(map(str, command))
        if Path(line[0]).name == "dbt":
            kind, module, function, argv = "dbt", DBT, "cli", line
        elif line[:2] == [sys.executable, "-m"] and f"{line[2]}.__main__" in MODULES["python"]:
            kind, module, function, argv = "python", f"{line[2]}.__main__", "main", line[2:]
        else:
            return None
        self.count += 1
        paths = {name: str(self.folder / f"{self.count}.{name}") for name in ("stdout", "stderr")}
        for path in paths.values():
            Path(path).touch()
        server = self.server(kind, env)
        request = paths | {"env": dict(env), "argv": argv, "module": module, "function": function}
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        return Running(server, line, Path(paths["stdout"]), Path(paths["stderr"]))

    def server(self, kind: str, env: Mapping[str, str]) -> subprocess.Popen:
        """The process for a kind of command; another one for other settings that are read on import."""
        read_on_import = {
            name: value
            for name, value in env.items()
            if name.startswith(("STOREHOUSE_", "DBT_TARGET", "DBT_LOG")) and name != "STOREHOUSE_RUN_ID"
        }
        key = (kind, *sorted(read_on_import.items()))
        if key not in self.servers:
            # As the commands set it themselves before they import dlt
            before_dlt = {"DLT_PROJECT_DIR": str(self.root), "DLT_DATA_DIR": f"{env['STOREHOUSE_DATA_DIR']}/dlt"}
            self.servers[key] = subprocess.Popen(
                [sys.executable, "-c", SERVER, *MODULES[kind]],
                cwd=self.root,
                env=before_dlt | dict(env),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        return self.servers[key]

    def stop(self) -> None:
        """End the processes."""
        for server in self.servers.values():
            server.stdin.close()
            server.wait(10)
        self.servers.clear()


class Running:
    """A command that was started."""

    def __init__(self, server: subprocess.Popen, line: list[str], stdout: Path, stderr: Path) -> None:
        self.server, self.line, self.stdout, self.stderr = server, line, stdout, stderr
        self.pid = int(server.stdout.readline())

    def until(self, text: str, seconds: float = 60) -> None:
        """Wait until it has printed this."""
        deadline = time.monotonic() + seconds
        while text not in self.stdout.read_text():
            assert time.monotonic() < deadline, f"never printed: {text}"
            time.sleep(0.02)

    def kill(self) -> int:
        """Kill it, unless it has ended; return how it ended."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        return self.wait().returncode

    def wait(self) -> subprocess.CompletedProcess[str]:
        """Wait for its end."""
        code = int(self.server.stdout.readline())
        return subprocess.CompletedProcess(self.line, code, self.stdout.read_text(), self.stderr.read_text())
