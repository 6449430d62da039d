"""Turns the bytes of a file into numbered lines of text, keeping whatever can be kept.

A line that is no valid text is delivered all the same, with its bytes written out and the reason beside it; a file that
breaks off delivers what came before, and one last line that says so.
"""

import csv
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

CHUNK_BYTES = 4 << 20
PIECE_BYTES = 1 << 18  # unpacked at once: what comes out is ten times as much
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
GZIP_MAGIC = b"\x1f\x8b"
GZIP = 16 + zlib.MAX_WBITS


class Block(NamedTuple):
    """Lines that follow each other and of which each is whole text."""

    first: int
    records: pa.Array


class Line(NamedTuple):
    """A line as received, and why it could not be read as text, if so."""

    number: int
    record: str | None
    error: str | None = None


def read_lines(file: IO[bytes]) -> Iterator[Line]:
    """Yield the lines of an open file, unpacked if it is packed, without blank ones."""
    for part in read_blocks(file):
        if isinstance(part, Block):
            yield from (Line(number, record) for number, record in enumerate(part.records.to_pylist(), part.first))
        else:
            yield part


def read_blocks(file: IO[bytes]) -> Iterator[Block | Line]:
    """Yield the lines of an open file, many at once where nothing is wrong with them."""
    number = 0
    rest = b""
    broken: str | None = None
    chunks = unpacked(iter(lambda: file.read(CHUNK_BYTES), b""))
    while True:
        try:
            chunk = next(chunks, b"")
        except (zlib.error, EOFError) as error:
            chunk, broken = b"", str(error)
        # Without more to come, what follows the last line break is a line too.
        content, line_break, rest = (rest + chunk).rpartition(b"\n") if chunk else (rest, b"", b"")
        if line_break or not chunk:
            lines = whole_text(content, number)
            if lines is not None:
                yield Block(number + 1, lines)
            else:
                lines = content.split(b"\n")
                for position, line in enumerate(lines, number + 1):
                    if line.strip():
                        yield decoded(position, line.removesuffix(b"\r"))
            number += len(lines)
        if not chunk:
            break
    if broken or not number or (number == 1 and not lines[0]):
        yield Line(number + 1 if broken else 0, None, broken or "the file is empty")


def whole_text(content: bytes, lines_before: int) -> pa.Array | None:
    """The lines of some content, when each can be taken as it is: text, not blank, without anything to take off."""
    if not lines_before and content.startswith(BYTE_ORDER_MARK):
        return None
    if b"\0" in content or b"\r" in content:
        return None
    try:
        text = pa.array([content], pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        return None
    lines = pc.split_pattern(text, "\n").flatten()
    is_blank = pc.or_(pc.equal(pc.binary_length(lines), 0), pc.utf8_is_space(lines))
    return None if pc.any(is_blank).as_py() else lines


def decoded(number: int, line: bytes) -> Line:
    """A line as text; bytes that are no UTF-8 are written out, like the NUL that no database can store."""
    line = line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line
    try:
        text, error = line.decode(), None
    except UnicodeDecodeError as failure:
        text = line.decode(errors="backslashreplace")
        error = f"no UTF-8: byte 0x{line[failure.start]:02x} at position {failure.start + 1}"
    if "\0" in text:
        text, error = text.replace("\0", "\\x00"), error or "a NUL byte"
    return Line(number, text, error)


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Unpack gzip, also when several members follow each other; other bytes pass as they are."""
    unzip = None
    for position, chunk in enumerate(chunks):
        if position == 0 and chunk.startswith(GZIP_MAGIC):
            unzip = zlib.decompressobj(GZIP)
        if unzip is None:
            yield chunk
            continue
        for begin in range(0, len(chunk), PIECE_BYTES):
            piece = chunk[begin : begin + PIECE_BYTES]
            # Zeros after a member are padding.
            while piece := piece.lstrip(b"\0") if unzip.eof else piece:
                if unzip.eof:
                    unzip = zlib.decompressobj(GZIP)
                if text := unzip.decompress(piece):
                    yield text
                piece = unzip.unused_data
    if unzip is not None and not unzip.eof:
        raise EOFError("the gzip file breaks off")


def parse_csv(lines: Iterable[Line]) -> Iterator[tuple[Line, dict[str, str]]]:
    """Yield each line below the header with its fields; a line that does not fit the header has an error instead."""
    header: list[str] | None = None
    for line in lines:
        if line.error:
            yield line, {}
            continue
        try:
            (fields,) = csv.reader([line.record], strict=True)
        except (csv.Error, ValueError) as failure:
            yield line._replace(error=f"no CSV: {failure}"), {}
            continue
        if header is None:
            header = [field.strip().lower() for field in fields]
        elif len(fields) == len(header):
            yield line, dict(zip(header, fields, strict=True))
        else:
            yield line._replace(error=f"{len(fields)} fields, but {len(header)} in the header"), {}
