"""The one place that decides where data lands, and the way a run takes from start to end.

A run first finishes what an earlier run left behind, then reads what is new. Every step may be killed at any moment:
tables change inside one transaction each, keys are natural, and the state moves with the rows, so a plain re-run heals.
"""

import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial

import dlt
import pyarrow as pa
from dlt.common.runtime.collector import Collector
from dlt.extract import DltResource, DltSource
from dlt.pipeline.exceptions import PipelineStepFailed

from ingestion.changes import drop_unchanged, quote
from ingestion.errors import is_transient
from ingestion.warehouse import Warehouse


@dataclass
class TableResult:
    """What a run did to one table."""

    table: str
    rows_read: int
    rows_loaded: int
    rows_in_warehouse: int


@dataclass
class Result:
    """What a run did to one source."""

    source: str
    seconds: float = 0
    tables: list[TableResult] = field(default_factory=list)


def open_pipeline(source: str, warehouse: Warehouse, progress: Collector) -> dlt.Pipeline:
    """The pipeline of one source: into the dataset `raw_<source>`, with a state of its own for each warehouse."""
    return dlt.pipeline(
        pipeline_name=f"storehouse_{source}",
        pipelines_dir=str(warehouse.pipelines_dir),
        destination=warehouse.destination,
        dataset_name=f"raw_{source}",
        progress=progress,
    )


def finish_pending(pipeline: dlt.Pipeline) -> None:
    """Load what an earlier run extracted and did not finish; what can never be loaded is dropped and read again."""
    if not pipeline.has_pending_data:
        return
    try:
        pipeline.run()
    except PipelineStepFailed as failure:
        if is_transient(failure):
            raise
        pipeline.abort_packages()


def run_source(pipeline: dlt.Pipeline, source: DltSource, warehouse: Warehouse) -> Result:
    """Extract, normalize and load one source."""
    started = time.monotonic()
    read: Counter[str] = Counter()
    for resource in source.resources.values():
        prepare(resource, warehouse, pipeline.dataset_name, read)
    pipeline.run(source, loader_file_format=warehouse.file_format)
    loaded = pipeline.last_trace.last_normalize_info.row_counts
    result = Result(source.name)
    for table in (resource.table_name for resource in source.resources.values()):
        columns = source.schema.get_table_columns(table).items()
        keys = [name for name, column in columns if column.get("primary_key") or column.get("merge_key")]
        warehouse.finish(f"{pipeline.dataset_name}.{table}", keys)
        [(held,)] = warehouse.query(f"select count(*) from {quote(pipeline.dataset_name)}.{quote(table)}")
        result.tables.append(TableResult(table, read[table], loaded.get(table, 0), held))
    result.seconds = time.monotonic() - started
    return result


def sum_up(results: list[Result]) -> Result:
    """Several loads of one source as one result."""
    total = Result(results[0].source)
    tables: dict[str, TableResult] = {}
    for result in results:
        total.seconds += result.seconds
        for table in result.tables:
            before = tables.get(table.table)
            if before:
                table.rows_read += before.rows_read
                table.rows_loaded += before.rows_loaded
            tables[table.table] = table
    total.tables = list(tables.values())
    return total


def prepare(resource: DltResource, warehouse: Warehouse, dataset: str, read: Counter[str]) -> None:
    """Count the rows of a resource and, where rows are merged by key, let only changed ones through."""
    table = resource.table_name

    def count(rows: pa.Table) -> pa.Table:
        read[table] += rows.num_rows
        return rows

    resource.add_map(count)
    schema = resource.compute_table_schema()
    keys = [name for name, column in schema["columns"].items() if column.get("primary_key")]
    if keys and schema["write_disposition"] == "merge":
        resource.add_map(partial(drop_unchanged, warehouse, f"{dataset}.{table}", keys))
