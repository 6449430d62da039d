"""Turns the bytes of a file into numbered lines of text, keeping whatever can be kept.

A line that is no valid text is delivered all the same, with its bytes written out and the reason beside it; a file that
breaks off delivers what came before, and one last line that says so.
"""

import csv
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

CHUNK_BYTES = 4 << 20
GZIP_MAGIC = b"\x1f\x8b"
GZIP = 16 + zlib.MAX_WBITS


class Line(NamedTuple):
    """A line as received, and why it could not be read as text, if so."""

    number: int
    record: str | None
    error: str | None = None


def read_lines(file: IO[bytes]) -> Iterator[Line]:
    """Yield the lines of an open file, unpacked if it is packed, without blank ones."""
    number = 0
    rest = b""
    broken: str | None = None
    chunks = unpacked(iter(lambda: file.read(CHUNK_BYTES), b""))
    while True:
        try:
            chunk = next(chunks, b"")
        except (zlib.error, EOFError) as error:
            chunk, broken = b"", str(error)
        lines = (rest + chunk).split(b"\n")
        # Without more to come, what follows the last line break is a line too.
        rest = lines.pop() if chunk else b""
        for line in lines:
            number += 1
            if line.strip():
                yield decoded(number, line.removesuffix(b"\r"))
        if not chunk:
            break
    if broken or not number or (number == 1 and not lines[0]):
        yield Line(number + 1 if broken else 0, None, broken or "the file is empty")


def decoded(number: int, line: bytes) -> Line:
    """A line as text; bytes that are no UTF-8 are written out, like the NUL that no database can store."""
    line = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
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
        while chunk:
            if unzip.eof:
                unzip = zlib.decompressobj(GZIP)
            yield unzip.decompress(chunk)
            # Zeros after a member are padding.
            chunk = unzip.unused_data.lstrip(b"\0")
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
