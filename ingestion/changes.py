"""Tells the rows that changed from those that were only read again.

Cursors overlap on purpose: a run reads the last rows of the run before once more. A row that is in the warehouse
exactly as received is left out here, so `_dlt_load_id` names the load in which a row last changed, and models that
rebuild what a load touched touch nothing more.
"""

import pyarrow as pa

from ingestion.sources.copy import quote
from ingestion.warehouse import Warehouse


def drop_unchanged(
    warehouse: Warehouse, table: str, keys: list[str], is_known: bool, rows: pa.Table
) -> pa.Table | None:
    """Return the rows that differ from those of the warehouse, or none; `table` is `dataset.table`.

    A table that dlt does not know arrives also without a row: its first load was killed when all of them were there.
    """
    held = set(warehouse.columns(table))
    if not held.issuperset(keys):
        return rows
    incoming = rows.append_column("_row", pa.array(range(rows.num_rows), pa.int64()))
    same_key = " and ".join(f"incoming.{quote(key)} = held.{quote(key)}" for key in keys)
    same_values = " and ".join(
        f"incoming.{quote(name)} is not distinct from held.{quote(name)}"
        if name in held
        else f"incoming.{quote(name)} is null"
        for name in rows.column_names
        if name not in keys
    )
    # The inner join builds its hash table on the few incoming rows, however many the warehouse holds.
    same = warehouse.query_with(
        incoming,
        table,
        f"select incoming._row from incoming join {'.'.join(map(quote, table.split('.')))} as held on {same_key} "
        f"where {same_values or 'true'}",
    )
    changed = sorted(set(range(rows.num_rows)) - {row for (row,) in same})
    # A new column arrives also without a value.
    arrives = changed or not is_known or not held.issuperset(rows.column_names)
    return rows.take(pa.array(changed, pa.int64())) if arrives else None
