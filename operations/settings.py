"""Where everything lives: one data folder, given by STOREHOUSE_DATA_DIR, holds every runtime file."""

import os
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DATA_DIR = (ROOT / os.environ.get("STOREHOUSE_DATA_DIR", "data")).resolve()
WAREHOUSE = DATA_DIR / "warehouse.duckdb"
EXPORTS = os.environ.get("STOREHOUSE_EXPORT_URL", str(DATA_DIR / "exports"))
BACKUPS = Path(os.environ.get("STOREHOUSE_BACKUP_DIR", DATA_DIR / "backups"))
LOCK = DATA_DIR / "warehouse.lock"
TARGET = os.environ.get("STOREHOUSE_TARGET", "dev")


def is_file() -> bool:
    """Whether the warehouse is a DuckDB file, and not a server."""
    return TARGET in ("dev", "ci")


def now() -> datetime:
    """The time, in UTC and whole seconds: this is what people read and what folders are named after."""
    return datetime.now(UTC).replace(microsecond=0)


def shown(path: Path) -> str:
    """A path as a person types it: relative to the working directory where that is shorter."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def quote(name: str) -> str:
    """A name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A text as SQL."""
    return "'" + value.replace("'", "''") + "'"


def setting(name: str, default: int) -> int:
    """A number under [operations] in .dlt/config.toml, which OPERATIONS__... in the environment overrules."""
    import dlt

    return dlt.config.get(f"operations.{name}", int) or default
