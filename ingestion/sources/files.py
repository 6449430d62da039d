"""Files of a folder or any object storage: event lines as received, price lists by column.

What: the datasets in `.dlt/config.toml`, each a pattern of paths under the bucket. Alone: `python -m ingestion --source
files`.

A file is read when its path or its content is new: `file_manifest` holds the SHA-256 of every file loaded, because the
time of a file says little (a late file may carry an old one). Rows are replaced file by file, merged on `file_path`, so
a file that grew, shrank or was corrected leaves no trace of its old lines. Files that were removed stay in raw: storage
is tidied up for many reasons. JSON lines are not parsed here; staging does that, and rejects line by line.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from posixpath import relpath
from typing import BinaryIO

import dlt
import pyarrow as pa
from dlt.common.configuration import with_config
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.sources import DltResource
from dlt.sources.filesystem import filesystem
from dlt.sources.filesystem.helpers import fsspec_from_resource
from fsspec.core import strip_protocol

from ingestion.errors import KindError
from ingestion.sources import Days
from ingestion.sources.lines import CHUNK_BYTES, Block, Line, parse_csv, read_blocks, read_lines
from ingestion.warehouse import Warehouse

MANIFEST = "file_manifest"
BATCH_BYTES = 16 << 20
# What reads each kind of storage; nobody needs all of them, so they are not among the locked packages.
PACKAGES = {
    "s3": "s3fs",
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("az", "azure", "abfs", "abfss"), "adlfs"),
    "sftp": "paramiko",
}
MANIFEST_SCHEMA = pa.schema(
    [
        pa.field("file_path", pa.string(), nullable=False),
        pa.field("dataset", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("size_bytes", pa.int64()),
    ]
)
LOADED = """
    select manifest.file_path, manifest.sha256
    from raw_files.file_manifest as manifest
    inner join raw_files._dlt_loads as loads on manifest._dlt_load_id = loads.load_id
    where loads.status = 0
"""


def digest(file: BinaryIO) -> str:
    """The SHA-256 of a file as it lies there."""
    sha256 = hashlib.sha256()
    while chunk := file.read(CHUNK_BYTES):
        sha256.update(chunk)
    return sha256.hexdigest()


def already_loaded(warehouse: Warehouse) -> dict[str, str]:
    """The files of complete loads: path and SHA-256."""
    return dict(warehouse.query(LOADED)) if warehouse.columns(f"raw_files.{MANIFEST}") else {}


class Bucket:
    """A folder, here or in an object storage to which dlt knows the way."""

    def __init__(self, url: str) -> None:
        if FilesystemConfiguration.is_local_path(url):
            url = FilesystemConfiguration.make_file_url(url)
        is_local = url.startswith("file:")
        protocol = url.partition("://")[0]
        package = PACKAGES.get(protocol)
        if package and not find_spec(package):
            raise KindError(
                f"Reading files from {protocol}:// needs one more package. Install it: "
                f".venv/bin/uv pip install {package}."
            )
        self.folder = FilesystemConfiguration.make_local_path(url) if is_local else strip_protocol(url)
        if is_local and not Path(self.folder).is_dir():
            # Would look like a folder without files.
            raise KindError(
                f"There is no folder {self.folder} to read files from. Correct SOURCES__FILES__BUCKET_URL (or "
                "bucket_url under [sources.files] in .dlt/secrets.toml), or start the demo shop: make demo."
            )
        self.storage = fsspec_from_resource(filesystem(url))

    def files(self, pattern: str) -> list[tuple[str, int]]:
        """Path under the bucket and size of the files of a dataset, ordered by path; hidden ones are left out."""
        found = self.storage.glob(f"{self.folder}/{pattern}", detail=True)
        sizes = {relpath(name, self.folder): about["size"] for name, about in found.items() if about["type"] == "file"}
        return sorted((path, size) for path, size in sizes.items() if not re.search(r"(^|/)\.", path))

    def open(self, path: str) -> BinaryIO:
        """A file as it lies there."""
        return self.storage.open(f"{self.folder}/{path}", "rb")


def belongs_to(days: Days, path: str) -> bool:
    """Whether a file is of one of the days; only a path with `date=` in it says so."""
    partition = re.search(r"date=(\d{4}-\d{2}-\d{2})", path)
    return partition is not None and days.first <= date.fromisoformat(partition[1]) <= days.last


def text_columns(*names: str) -> dict[str, dict]:
    """Column hints for text."""
    return {name: {"name": name, "data_type": "text"} for name in names}


def to_table(rows: list[tuple[str, Line, dict[str, str]]], extra_columns: list[str]) -> pa.Table:
    """Lines as an Arrow table."""
    names = dict.fromkeys([*extra_columns, *(name for _, _, fields in rows for name in fields)])
    columns = {
        "file_path": pa.array([path for path, _, _ in rows], pa.string()),
        "line_number": pa.array([line.number for _, line, _ in rows], pa.int64()),
        **{name: pa.array([fields.get(name) for _, _, fields in rows], pa.string()) for name in names},
        "record": pa.array([line.record for _, line, _ in rows], pa.string()),
        "read_error": pa.array([line.error for _, line, _ in rows], pa.string()),
    }
    return pa.table(
        columns, pa.schema([pa.field(name, column.type, name != "file_path") for name, column in columns.items()])
    )


def with_no_fields(parts: Iterable[Block | Line]) -> Iterator[tuple[Block | Line, dict[str, str]]]:
    """Lines that have no columns."""
    for part in parts:
        yield part, {}


def block_to_table(path: str, block: Block) -> pa.Table:
    """Whole lines as an Arrow table."""
    count = len(block.records)
    columns = [
        pa.repeat(pa.scalar(path), count),
        pa.array(range(block.first, block.first + count), pa.int64()),
        block.records,
        pa.nulls(count, pa.string()),
    ]
    return pa.Table.from_arrays(columns, schema=to_table([], []).schema)


@with_config(sections=("sources", "files"))
def connection(bucket_url: str | None = None) -> dict[str, str | None]:
    """The settings without which there is nothing to read."""
    return {"bucket_url": bucket_url}


def tables() -> list[str]:
    """The tables of this source."""
    return [MANIFEST, *dlt.config["sources.files.datasets"]]


@dlt.source(name="files", max_table_nesting=0)
def files(
    warehouse: Warehouse,
    bucket_url: str = dlt.config.value,
    datasets: dict[str, str] = dlt.config.value,
    csv_columns: dict[str, list[str]] = dlt.config.value,
    chunk_lines: int = dlt.config.value,
    only: list[str] | None = None,
    full_refresh: bool = False,
    days: Days | None = None,
) -> Iterator[DltResource]:
    """The lines of every new or changed file, and the manifest of the files; `only` picks datasets.

    Without a bucket these are tables without rows.
    """
    wanted = {name: pattern for name, pattern in datasets.items() if only is None or name in only}
    if not wanted:
        return
    bucket = Bucket(bucket_url) if bucket_url else None
    new = {name for name in (MANIFEST, *wanted) if not warehouse.columns(f"raw_files.{name}")}

    @dlt.resource(
        name=MANIFEST,
        merge_key="file_path",
        write_disposition={"disposition": "merge", "strategy": "delete-insert"},
    )
    def manifest() -> Iterator[pa.Table]:
        if new:
            # The models read every table, also one for which there is no file.
            yield MANIFEST_SCHEMA.empty_table()
        if not bucket:
            return
        known = {} if full_refresh or days else already_loaded(warehouse)
        for dataset, pattern in wanted.items():
            batch: list[dict] = []
            size = 0
            for path, size_bytes in bucket.files(pattern):
                if days and not belongs_to(days, path):
                    continue
                with bucket.open(path) as file:
                    sha256 = digest(file)
                if known.get(path) == sha256:
                    continue
                size += size_bytes
                batch.append({"file_path": path, "dataset": dataset, "sha256": sha256, "size_bytes": size_bytes})
                if size > BATCH_BYTES:
                    yield pa.Table.from_pylist(batch, MANIFEST_SCHEMA)
                    batch, size = [], 0
            if batch:
                yield pa.Table.from_pylist(batch, MANIFEST_SCHEMA)

    def lines_of(batch: pa.Table, dataset: str) -> Iterator[pa.Table]:
        rows: list[tuple[str, Line, dict[str, str]]] = []
        extra_columns = csv_columns.get(dataset, [])
        if dataset in new and not batch.num_rows:
            yield to_table([], extra_columns)
        for path, owner in zip(batch["file_path"].to_pylist(), batch["dataset"].to_pylist(), strict=True):
            if owner != dataset:
                continue
            with bucket.open(path) as file:
                for line, fields in parse_csv(read_lines(file)) if extra_columns else with_no_fields(read_blocks(file)):
                    if isinstance(line, Block):
                        yield block_to_table(path, line)
                        continue
                    rows.append((path, line, fields))
                    if len(rows) >= chunk_lines:
                        yield to_table(rows, extra_columns)
                        rows = []
        if rows:
            yield to_table(rows, extra_columns)

    manifest_resource = manifest()
    yield manifest_resource
    for name in wanted:
        yield manifest_resource | dlt.transformer(
            lines_of,
            name=name,
            merge_key="file_path",
            write_disposition="replace"
            if full_refresh
            else {"disposition": "merge", "strategy": "delete-insert", "deduplicated": True},
            columns={
                **text_columns("file_path"),
                "line_number": {"name": "line_number", "data_type": "bigint"},
                **text_columns(*csv_columns.get(name, []), "record", "read_error"),
            },
        )(dataset=name)
