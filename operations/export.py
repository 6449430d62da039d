"""Export the published marts: Parquet by date and CSV, with a manifest of rows and hashes, complete or not at all."""

import hashlib
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from ingestion.errors import KindError
from operations.publish import SCHEMA, State, open_state, shown_state
from operations.settings import DATA_DIR, EXPORTS, now, quote, text
from operations.steps import step

MANIFEST = "manifest.json"
PARTITIONS = {"day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}


def export(target: str = EXPORTS, by: str = "month") -> str:
    """Write the state that readers see to a folder or an object storage; return where it is."""
    with step("export") as outcome:
        state = shown_state()
        with TemporaryDirectory(prefix="exporting-", dir=DATA_DIR) as folder:
            scratch = Path(folder)
            write_files(state, scratch, by)
            (scratch / MANIFEST).write_text(json.dumps(describe(state, scratch), indent=2))
            outcome.detail = deliver(scratch, target, f"{state.state}-by-{by}")
        return outcome.detail


def write_files(state: State, folder: Path, by: str) -> None:
    """Every mart as `csv/<mart>.csv` and below `parquet/<mart>/`; facts and aggregates in one folder per period."""
    with open_state(state) as connection:
        # More threads would write more and smaller files.
        connection.execute("set threads = 1")
        (folder / "csv").mkdir()
        for mart in state.rows:
            source = f"{SCHEMA}.{quote(mart)}"
            parquet = folder / "parquet" / mart
            parquet.mkdir(parents=True)
            connection.execute(f"copy {source} to {text(f'{folder}/csv/{mart}.csv')} (header)")
            date = date_column(connection, mart)
            if date is None:
                connection.execute(f"copy {source} to {text(f'{parquet}/data_0.parquet')} (format parquet)")
                continue
            period = f"strftime({quote(date)}, {text(PARTITIONS[by])}) as {quote(by)}"
            connection.execute(
                f"copy (select *, {period} from {source} order by {quote(date)}) "
                f"to {text(str(parquet))} (format parquet, partition_by ({quote(by)}), overwrite_or_ignore)"
            )


def date_column(connection: duckdb.DuckDBPyConnection, mart: str) -> str | None:
    """The date that a fact or an aggregate is partitioned by: its first one."""
    if not mart.startswith(("fct_", "agg_")):
        return None
    row = connection.execute(
        """
        select column_name from duckdb_columns()
        where schema_name = ? and table_name = ? and data_type = 'DATE'
        order by column_index limit 1
        """,
        [SCHEMA, mart],
    ).fetchone()
    return row[0] if row else None


def describe(state: State, folder: Path) -> dict:
    """The manifest: what was exported, and how to check that it arrived whole."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        "state": state.state,
        "run_id": state.run_id,
        "exported_at": now().isoformat(),
        "rows": state.rows,
        "files": [
            {
                "path": str(path.relative_to(folder)),
                "rows": rows_in(path, state.rows),
                "bytes": path.stat().st_size,
                "sha256": sha256(path),
            }
            for path in files
        ],
    }


def rows_in(path: Path, rows: dict[str, int]) -> int:
    """The rows of one file."""
    if path.suffix == ".csv":
        return rows[path.stem]
    return duckdb.sql(f"select num_rows from parquet_file_metadata({text(str(path))})").fetchone()[0]


def sha256(path: Path) -> str:
    """The hash of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def deliver(scratch: Path, target: str, name: str) -> str:
    """Bring the files to their place. In an object storage the manifest comes last: without it nothing is there."""
    if "://" not in target:
        folder = Path(target) / name
        if not (folder / MANIFEST).exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            # The scratch folder may be on another disk: copy beside the place first, then rename.
            partial = folder.with_name(f"{name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            shutil.copytree(scratch, partial)
            partial.replace(folder)
        return str(folder)
    import fsspec

    try:
        storage, path = fsspec.core.url_to_fs(target)
    except ImportError as error:
        raise KindError(f"Cannot export to {target}: {error}. Install it into .venv.") from None
    folder = f"{path.rstrip('/')}/{name}"
    if not storage.exists(f"{folder}/{MANIFEST}"):
        for file in sorted(scratch.rglob("*"), key=lambda file: file.name == MANIFEST):
            if file.is_file():
                destination = f"{folder}/{file.relative_to(scratch)}"
                storage.makedirs(destination.rsplit("/", 1)[0], exist_ok=True)
                storage.put_file(str(file), destination)
    return f"{target.rstrip('/')}/{name}"
