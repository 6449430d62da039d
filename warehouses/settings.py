"""Where the servers keep their files, and what they remember between two commands."""

import json
import os
import secrets
import socket
from pathlib import Path
from typing import Any

from ingestion.errors import KindError

ROOT = Path(__file__).resolve().parents[1]


def data_dir() -> Path:
    """The folder of all runtime files, relative to the repository."""
    return (ROOT / os.environ.get("STOREHOUSE_DATA_DIR", "data")).resolve()


def folder(name: str) -> Path:
    """The folder of one server; only its owner may look inside, because it holds passwords."""
    path = data_dir() / "warehouses" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def read_state(path: Path) -> dict[str, Any]:
    """What an earlier command wrote down, or nothing."""
    return json.loads(path.read_text()) if path.exists() else {}


def write_private(path: Path, text: str) -> None:
    """Write a file whole or not at all, readable by its owner only."""
    candidate = path.with_name(path.name + ".new")
    candidate.touch(mode=0o600)
    candidate.write_text(text)
    candidate.replace(path)


def new_secret() -> str:
    """A password that needs no quoting anywhere."""
    return secrets.token_hex(16)


def free_port(wanted: int | None = None) -> int:
    """The wanted port of the loopback address if nobody has it, else any free one."""
    for port in (wanted, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise KindError("No free port on 127.0.0.1.")
