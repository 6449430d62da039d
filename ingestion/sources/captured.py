"""Turns the changes of a table into rows for raw: every version, the last one of each row, and the keys that exist."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from io import BytesIO

import pyarrow as pa
from dlt.common.schema.typing import TTableSchemaColumns

from ingestion.errors import KindError
from ingestion.sources.copy import UNREADABLE, arrow_type, holds, quote, read_csv, variant
from ingestion.sources.pgoutput import UNCHANGED, Change, Relation, Row
from ingestion.warehouse import Warehouse

NUMERIC = 1700
EXACT_TYPES = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    700: pa.float64(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us", tz="UTC"),
}
CHANGE_KEY = ["change_lsn", "change_sequence"]
CHANGE_COLUMNS: TTableSchemaColumns = {
    "change_lsn": {"name": "change_lsn", "data_type": "bigint", "nullable": False},
    "change_sequence": {"name": "change_sequence", "data_type": "bigint", "nullable": False},
    "change_operation": {"name": "change_operation", "data_type": "text", "nullable": False},
    "changed_at": {"name": "changed_at", "data_type": "timestamp"},
}


@dataclass(frozen=True)
class CapturedTable:
    """A table of the shop and how its changes land in raw."""

    dataset: str
    name: str
    columns: TTableSchemaColumns
    key: list[str]
    key_table: str | None
    key_columns: TTableSchemaColumns

    @property
    def changes(self) -> str:
        """The table of all versions."""
        return f"{self.name}_changes"

    @property
    def change_columns(self) -> TTableSchemaColumns:
        """Its columns. Those of the key are no key here, and empty where the whole table was truncated."""
        return CHANGE_COLUMNS | {
            name: {**column, "primary_key": False, "nullable": True} for name, column in self.columns.items()
        }

    def as_held(self, row: Row, relation: Relation) -> Row:
        """A row with values that their columns cannot hold in columns of text beside them, as in the other mode."""
        held: Row = {}
        for name, value in row.items():
            old = arrow_type(self.columns[name]) if name in self.columns else pa.string()
            fits = pa.types.is_string(old) or holds(old, type_of(*relation.columns[name]))
            held[name if fits else variant(name)] = value
        return held

    def key_of(self, row: Row) -> tuple:
        """The key of a row."""
        return tuple(row[name] for name in self.key)


@dataclass
class Version:
    """One row of the table of all versions; `key` is the one the row had before."""

    lsn: int
    sequence: int
    operation: str
    committed_at: datetime
    key: tuple
    row: Row

    def as_row(self) -> Row:
        """The version with what is known of the change."""
        return {
            "change_lsn": str(self.lsn),
            "change_sequence": str(self.sequence),
            "change_operation": self.operation,
            "changed_at": self.committed_at.isoformat(),
            **self.row,
        }


@dataclass
class TableChanges:
    """The changes of one table in one batch, in the order of the log."""

    table: CapturedTable
    versions: list[Version] = field(default_factory=list)
    is_truncated: bool = False
    exists: dict[tuple, bool] = field(default_factory=dict)  # what the batch, since its last truncation, says of a key

    def add(self, change: Change, sequence: int) -> int:
        """Take in a change as versions numbered from `sequence`; return the next number. A new key is a new row."""
        made: list[tuple[str, tuple, Row]] = []
        before = self.table.key_of(change.old) if change.old else None
        after = self.table.key_of(change.row) if change.row else None
        if change.operation == "truncate":
            self.is_truncated = True
            self.exists.clear()
            made.append(("truncate", (), {}))
        if before and before != after:
            self.exists[before] = False
            made.append(("delete", before, dict(zip(self.table.key, before, strict=True))))
        if after:
            self.exists[after] = True
            made.append((change.operation, before or after, self.table.as_held(change.row, change.relation)))
        for number, (operation, key, row) in enumerate(made, sequence):
            self.versions.append(Version(change.commit_lsn, number, operation, change.committed_at, key, row))
        return sequence + len(made)

    def fill_unchanged(self, warehouse: Warehouse) -> None:
        """Put in the large values that Postgres did not send again, from the version before."""
        gaps = {name for version in self.versions for name, value in version.row.items() if value is UNCHANGED}
        if not gaps:
            return
        asked = {version.key for version in self.versions if UNCHANGED in version.row.values()}
        latest: dict[tuple, Row] = self.stored(warehouse, asked, sorted(gaps))
        for version in self.versions:
            if version.operation in ("truncate", "delete"):
                continue
            before = latest.get(version.key)
            for name, value in version.row.items():
                if value is UNCHANGED:
                    if before is None:
                        raise KindError(
                            f"The warehouse lacks the earlier {name} of row {version.key} of {self.table.name}, and "
                            "Postgres does not send it again. Load the shop anew with --full-refresh."
                        )
                    version.row[name] = before[name]
            latest[self.table.key_of(version.row)] = version.row

    def stored(self, warehouse: Warehouse, asked: set[tuple], columns: list[str]) -> dict[tuple, Row]:
        """The last versions of these rows in the warehouse that are older than the batch."""
        key = self.table.key
        first = self.versions[0]
        incoming = to_arrow(
            {name: self.table.columns[name] for name in key}, (dict(zip(key, row, strict=True)) for row in asked)
        )
        found = warehouse.query_with(
            incoming,
            f"{self.table.dataset}.{self.table.name}",
            f"""
            select {", ".join(f"cast({quote(name)} as varchar)" for name in [*key, *columns])}
            from (
                select held.*, row_number() over (
                    partition by {", ".join(f"held.{quote(name)}" for name in key)}
                    order by held.change_lsn desc, held.change_sequence desc
                ) as place
                from {quote(self.table.dataset)}.{quote(self.table.changes)} as held
                inner join incoming
                    on {" and ".join(f"held.{quote(name)} = incoming.{quote(name)}" for name in key)}
                where
                    held.change_operation <> 'delete'
                    and (
                        held.change_lsn < {first.lsn}
                        or (held.change_lsn = {first.lsn} and held.change_sequence < {first.sequence})
                    )
            ) as versions
            where place = 1
            """,
        )
        return {row[: len(key)]: dict(zip(columns, row[len(key) :], strict=True)) for row in found}

    def all_versions(self) -> pa.Table:
        """Every version."""
        return to_arrow(self.table.change_columns, (version.as_row() for version in self.versions))

    def current(self) -> pa.Table:
        """The last version of each row; that of a deleted row is the last one before its end."""
        rows = (version.row for version in self.versions if version.operation not in ("truncate", "delete"))
        latest = {self.table.key_of(row): row for row in rows}
        return to_arrow(self.table.columns, latest.values())

    def keys(self, existing: bool) -> pa.Table:
        """The keys that came to exist, or that ceased to."""
        chosen = (key for key, exists in self.exists.items() if exists == existing)
        return to_arrow(self.table.key_columns, (dict(zip(self.table.key, key, strict=True)) for key in chosen))


def type_of(number: int, modifier: int) -> pa.DataType:
    """The Arrow type for a type of Postgres by its number, as `exact_or_text` chooses it by name."""
    if number == NUMERIC and modifier >= 0:
        precision, scale = (modifier - 4) >> 16, (modifier - 4) & 0x7FF
        return pa.decimal128(precision, scale) if scale <= precision <= 38 else pa.string()
    return EXACT_TYPES.get(number, pa.string())


def to_arrow(columns: TTableSchemaColumns, rows: Iterable[Row]) -> pa.Table:
    """Rows of Postgres' own text as an Arrow table, by the very way that COPY takes."""
    rows = list(rows)
    # A column that is gone by now has no type any more; its text is kept.
    names = dict.fromkeys([*columns, *(name for row in rows for name in row)])
    typed = {name: columns.get(name, {"name": name, "data_type": "text"}) for name in names}
    for row in rows:
        numbers = [name for name, column in typed.items() if column["data_type"] == "decimal"]
        if unreadable := {name: "NaN" for name in numbers if row.get(name) == "NaN"}:
            row |= dict.fromkeys(unreadable) | {UNREADABLE: json.dumps(unreadable)}
    lines = [",".join(map(quote, names))]
    lines += [",".join(quote(value) if (value := row.get(name)) is not None else "" for name in names) for row in rows]
    # Without the last end of line an empty value there would not be null.
    return pa.concat_tables(read_csv(BytesIO("\n".join([*lines, ""]).encode()), typed))
