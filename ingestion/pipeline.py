"""The one place that decides where data lands, and the way a run takes from start to end.

A run first drops what an earlier run left behind, then reads what is new. Every step may be killed at any moment:
tables change inside one transaction each, keys are natural, and the state moves with the rows: a plain re-run heals.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import dlt
import pyarrow as pa
from dlt.common.pipeline import ExtractInfo
from dlt.common.runtime.collector import Collector
from dlt.common.schema.typing import TTableSchema
from dlt.extract import DltResource, DltSource

from ingestion.changes import drop_unchanged
from ingestion.errors import KindError
from ingestion.observe import Observation
from ingestion.warehouse import Warehouse

FEW_ROWS = 100


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


def forget_unfinished(pipeline: dlt.Pipeline) -> None:
    """Drop what an earlier run did not finish; the sources can be asked again.

    Going on with it is not safe: dlt repeats a copy into the staging dataset that was committed but not marked when the
    process was killed, and its rows are there twice. And the warehouse alone knows how far it is: after a restored
    backup the working folder would claim more.
    """
    pipeline.drop()


def run_source(
    pipeline: dlt.Pipeline,
    source: DltSource,
    warehouse: Warehouse,
    dry_run: bool = False,
    allow_shrink: bool = False,
) -> Result:
    """Extract, normalize and load one source; a dry run extracts and then drops what it has."""
    started = time.monotonic()
    seen = Observation(pipeline, source)
    for resource in source.resources.values():
        prepare(resource, warehouse, pipeline.dataset_name, seen)
    extracted = pipeline.extract(source, loader_file_format=warehouse.file_format)
    tables = [resource.table_name for resource in source.resources.values()]
    if not allow_shrink:
        refuse_to_shrink(pipeline, source, warehouse, seen)
    if dry_run:
        pipeline.abort_packages()
    else:
        pipeline.normalize()
        pipeline.load()
        for table in tables:
            warehouse.finish(f"{pipeline.dataset_name}.{table}")
        for table, rows in seen.filled.items():
            if rows is None:
                seen.see_filled(table, warehouse.rows_held(f"{pipeline.dataset_name}.{table}"))
        seen.write(extracted.loads_ids[0], bytes_by_table(extracted))
    result = Result(source.name)
    for table in tables:
        # Postgres would read a filled table once more to count it.
        held = seen.filled.get(table) or warehouse.rows_held(f"{pipeline.dataset_name}.{table}")
        result.tables.append(TableResult(table, seen.tables[table].rows, seen.tables[table].changed, held))
    result.seconds = time.monotonic() - started
    return result


def bytes_by_table(extracted: ExtractInfo) -> dict[str, int]:
    """How many bytes were extracted for each table."""
    return {
        table: metrics.file_size
        for steps in extracted.metrics.values()
        for step in steps
        for table, metrics in step["table_metrics"].items()
    }


def refuse_to_shrink(pipeline: dlt.Pipeline, source: DltSource, warehouse: Warehouse, seen: Observation) -> None:
    """Drop what was extracted when it would replace a table by less than half of its rows: a source may be broken."""
    for resource in source.resources.values():
        table = resource.table_name
        if resource.write_disposition != "replace" or table not in seen.tables:
            continue
        rows = seen.tables[table].rows
        held = warehouse.rows_held(f"{pipeline.dataset_name}.{table}")
        if held > FEW_ROWS and rows < held / 2:
            pipeline.abort_packages()
            raise KindError(
                f"{source.name}.{table} has {rows:,} rows now, and {held:,} in the warehouse. Nothing was "
                "loaded. If so many rows are gone on purpose, run again with --allow-shrink."
            )


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


def prepare(resource: DltResource, warehouse: Warehouse, dataset: str, seen: Observation) -> None:
    """Watch the rows of a resource and, where rows are merged by key, let only changed ones through."""
    table = resource.table_name
    name = f"{dataset}.{table}"
    resource.add_map(partial(watch, partial(seen.see, table)))
    schema = resource.compute_table_schema()
    merges = schema["write_disposition"] == "merge"
    if merges and is_new(schema, warehouse, name):
        resource.apply_hints(write_disposition="append")
    else:
        if keys := keys_of(schema, "primary_key", "merge_key"):
            warehouse.look_up_by(name, keys)
        if merges and (keys := keys_of(schema, "primary_key")):
            resource.add_map(partial(drop_unchanged, warehouse, name, keys, table in seen.columns))
    resource.add_map(partial(watch, partial(seen.see_changed, table)))
    resource.add_map(warehouse.as_sent)


def keys_of(schema: TTableSchema, *hints: str) -> list[str]:
    """The columns of a table with one of these hints."""
    return [name for name, column in schema["columns"].items() if any(column.get(hint) for hint in hints)]


def is_new(schema: TTableSchema, warehouse: Warehouse, table: str) -> bool:
    """Whether the rows of a table need no merging: no two have the same key, and the warehouse has none yet.

    A table that was filled by half when a run was killed is merged from then on.
    """
    deletes = any(column.get("hard_delete") for column in schema["columns"].values())
    return bool(schema.get("x-stage-data-deduplicated")) and not deletes and not warehouse.rows_held(table)


def watch(look: Callable[[pa.Table], None], rows: pa.Table) -> pa.Table:
    """Pass rows on after a look at them."""
    look(rows)
    return rows
