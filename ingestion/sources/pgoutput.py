"""Reads the messages of `pgoutput`, the logical decoding plugin that comes with PostgreSQL (protocol version 1).

Values stay the text that Postgres wrote: whoever knows the types of the columns turns them into values.
"""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import islice

POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Missing(Enum):
    """Stands for a large value that an update did not touch: Postgres does not send it again."""

    UNCHANGED = "unchanged"


UNCHANGED = Missing.UNCHANGED
Row = dict[str, str | Missing | None]


@dataclass(frozen=True)
class Relation:
    """A table as the messages that follow describe it."""

    schema: str
    table: str
    columns: dict[str, tuple[int, int]]  # the number of the type and its modifier


@dataclass(frozen=True)
class Change:
    """What a transaction did to one row, or to a whole table when it was truncated.

    `old` is what Postgres says of the row before: its key when that changed or the row was deleted, all of it where the
    replica identity is full.
    """

    relation: Relation
    operation: str
    row: Row
    old: Row
    commit_lsn: int
    committed_at: datetime


class Message:
    """Takes one message apart, from left to right."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def take(self, layout: str) -> tuple:
        """The next numbers, in the notation of `struct`."""
        values = struct.unpack_from("!" + layout, self.data, self.position)
        self.position += struct.calcsize("!" + layout)
        return values

    def byte(self) -> bytes:
        """The next byte."""
        self.position += 1
        return self.data[self.position - 1 : self.position]

    def bytes(self, length: int) -> bytes:
        """That many bytes."""
        self.position += length
        return self.data[self.position - length : self.position]

    def string(self) -> str:
        """The text up to the next zero byte."""
        end = self.data.index(b"\0", self.position)
        text = self.data[self.position : end].decode()
        self.position = end + 1
        return text

    def row(self, columns: Iterable[str]) -> Row:
        """The values of one row."""
        (count,) = self.take("h")
        return {column: self.value() for column in islice(columns, count)}

    def value(self) -> str | Missing | None:
        """The value of one column."""
        match self.byte():
            case b"n":
                return None
            case b"u":
                return UNCHANGED
            case b"t":
                (length,) = self.take("i")
                return self.bytes(length).decode()
            case kind:
                raise ValueError(f"pgoutput sent a value of the unknown kind {kind!r}")


class Decoder:
    """Turns messages into changes; `end_lsn` is where the last whole transaction ended."""

    def __init__(self, end_lsn: int) -> None:
        self.end_lsn = end_lsn
        self.relations: dict[int, Relation] = {}
        self.commit_lsn = 0
        self.committed_at = POSTGRES_EPOCH

    def decode(self, data: bytes) -> Iterator[Change]:
        """The changes of one message: none, one, or one for each table that was truncated."""
        message = Message(data)
        match message.byte():
            case b"B":
                self.commit_lsn, microseconds = message.take("qq")
                self.committed_at = POSTGRES_EPOCH + timedelta(microseconds=microseconds)
            case b"C":
                _, _, self.end_lsn = message.take("bqq")
            case b"R":
                (oid,) = message.take("I")
                schema, table = message.string(), message.string()
                _, count = message.take("bh")
                columns = {}
                for _ in range(count):
                    message.take("b")
                    name = message.string()
                    columns[name] = message.take("Ii")
                self.relations[oid] = Relation(schema, table, columns)
            case b"I":
                yield self.change("insert", message)
            case b"U":
                yield self.change("update", message)
            case b"D":
                yield self.change("delete", message)
            case b"T":
                count, _ = message.take("Ib")
                for oid in message.take(f"{count}I"):
                    yield Change(self.relations[oid], "truncate", {}, {}, self.commit_lsn, self.committed_at)
            case b"O" | b"Y":
                pass  # the origin of a transaction, the name of a type
            case kind:
                raise ValueError(f"pgoutput sent a message of the unknown kind {kind!r}")

    def change(self, operation: str, message: Message) -> Change:
        """A change of one row."""
        (oid,) = message.take("I")
        relation = self.relations[oid]
        row: Row = {}
        old: Row = {}
        while (part := message.byte()) in (b"K", b"O", b"N"):
            values = message.row(relation.columns)
            if part == b"N":
                row = values
            elif part == b"O":
                old = values
            else:
                # Only the columns of the key are filled here.
                old = {column: value for column, value in values.items() if value is not None}
        filled = {column: old.get(column, value) if value is UNCHANGED else value for column, value in row.items()}
        return Change(relation, operation, filled, old, self.commit_lsn, self.committed_at)
