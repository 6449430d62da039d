"""Back up the warehouse together with the state of its loads, and restore both as they were at one moment."""

import json
import shutil
from pathlib import Path

import duckdb

from ingestion.errors import LOCKED, KindError, holder_of_lock
from operations.export import sha256
from operations.lock import only_writer
from operations.publish import sync
from operations.settings import BACKUPS, DATA_DIR, TARGET, WAREHOUSE, is_file, now, shown
from operations.steps import step
from warehouses import postgres

REPLACED = DATA_DIR / "replaced"
# The warehouse, and the state of its loads
PARTS = ("warehouse.duckdb", "dlt") if is_file() else ("warehouse.dump", "warehouses/postgres/dlt")
NOTES = "runs"


def backup(folder: Path = BACKUPS) -> Path:
    """Copy the warehouse and the state of its loads; return where the copy is."""
    with step("backup") as outcome, only_writer("backup"):
        refuse_spark()
        if is_file():
            settle_warehouse()
        needed = sum(path.stat().st_size for part in PARTS for path in files_of(DATA_DIR / part))
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < needed:
            raise KindError(f"The backup needs {needed // 1024**2 + 1} MB in {shown(folder)}, and there is less.")
        partial = folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        for part in (*PARTS, NOTES):
            copy(DATA_DIR / part, partial / part)
        if not is_file():
            postgres.dump(partial / PARTS[0])
        hashes = {str(path.relative_to(partial)): sha256(path) for path in files_of(partial)}
        (partial / "manifest.json").write_text(json.dumps({"made_at": now().isoformat(), "sha256": hashes}, indent=2))
        for path in files_of(partial):
            sync(path)
        done = folder / f"{now():%Y%m%dT%H%M%SZ}"
        shutil.rmtree(done, ignore_errors=True)
        partial.replace(done)
        sync(folder)
        outcome.detail = str(done)
        return done


def restore(name: str | None, folder: Path = BACKUPS) -> Path:
    """Put the newest backup, or the one named, in the place of what is there; what was there is moved aside."""
    with step("restore") as outcome, only_writer("restore"):
        refuse_spark()
        found = sorted(path.parent for path in folder.glob("2*/manifest.json"))
        chosen = [path for path in found if name in (None, path.name)]
        if not chosen:
            kept = ", ".join(path.name for path in found) or "none"
            raise KindError(f"There is no backup {name or ''} in {shown(folder)}. There are: {kept}.")
        source = chosen[-1]
        verify(source)
        restoring = DATA_DIR / "restoring"
        shutil.rmtree(restoring, ignore_errors=True)
        restoring.mkdir(parents=True)
        for part in PARTS:
            copy(source / part, restoring / part)
        shutil.rmtree(REPLACED, ignore_errors=True)
        REPLACED.mkdir()
        # The state of the loads goes first: without it the next load takes the state that the warehouse itself holds,
        # so a kill between any two of these steps leaves nothing that does not fit together.
        for part in reversed((*PARTS, "warehouse.duckdb.wal")):
            if (DATA_DIR / part).exists():
                (REPLACED / part).parent.mkdir(parents=True, exist_ok=True)
                (DATA_DIR / part).replace(REPLACED / part)
        if not is_file():
            postgres.restore(restoring / PARTS[0])
            (restoring / PARTS[0]).unlink()
        for part in PARTS:
            if (restoring / part).exists():
                (restoring / part).replace(DATA_DIR / part)
        shutil.rmtree(restoring)
        # Notes of both times are good: recording one twice changes nothing.
        copy(source / NOTES, DATA_DIR / NOTES)
        outcome.detail = str(source)
        return source


def refuse_spark() -> None:
    """Only what can be copied as of one moment is backed up."""
    if TARGET == "spark":
        raise KindError("Backups are for DuckDB and Postgres. A lake goes back in time by itself: docs/scaling.md.")


def settle_warehouse() -> None:
    """Bring all that was written into the one file; nobody else may have it open for writing."""
    if not WAREHOUSE.exists():
        raise KindError(f"There is no warehouse at {shown(WAREHOUSE)} yet.")
    try:
        with duckdb.connect(WAREHOUSE) as connection:
            connection.execute("checkpoint")
    except duckdb.IOException as error:
        if holder := holder_of_lock(error):
            raise KindError(f"The warehouse {shown(WAREHOUSE)} is open in {holder}. Close it there.", LOCKED) from None
        raise


def verify(source: Path) -> None:
    """Refuse a backup that is not what it was when it was made."""
    for path, expected in json.loads((source / "manifest.json").read_text())["sha256"].items():
        if not (source / path).exists() or sha256(source / path) != expected:
            raise KindError(f"The backup {shown(source)} is damaged: {path} is not what it was. Choose another one.")


def files_of(path: Path) -> list[Path]:
    """A file, or all files below a folder."""
    return [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, if it is there."""
    if source.is_file():
        shutil.copyfile(source, target)
    elif source.is_dir():
        shutil.copytree(source, target, dirs_exist_ok=True)
