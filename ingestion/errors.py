"""Errors made for people: one line that says what went wrong, where, and what to do."""

import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path

LOCKED = 75
FAILED = 1
# No space left on the device, the quota used up, a file as large as it may become.
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

SETTINGS = {
    "shop": "SOURCES__SHOP__CREDENTIALS (postgresql://user:password@host:port/database)",
    "api": "SOURCES__API__BASE_URL and SOURCES__API__TOKEN",
    "files": "SOURCES__FILES__BUCKET_URL",
    "stream": "SOURCES__STREAM__BOOTSTRAP_SERVERS",
}


class KindError(Exception):
    """An error whose text is the whole message; `exit_code` is what the command ends with."""

    def __init__(self, message: str, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error and everything that led to it, outermost first."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        current = waiting.pop(0)
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        # dlt and SQLAlchemy keep what went wrong in attributes of their own, beside Python's chain.
        inner = (getattr(current, name, None) for name in ("exception", "client_exception", "orig"))
        waiting += [item for item in inner if isinstance(item, BaseException)]
        waiting += [current.__cause__, current.__context__]


def is_disk_full(error: BaseException) -> bool:
    """Whether any of the causes is a full disk."""
    return any(
        getattr(cause, "errno", None) in NO_ROOM or any(os.strerror(number) in str(cause) for number in NO_ROOM)
        for cause in causes(error)
    )


def holder_of_lock(error: BaseException) -> str | None:
    """The process that holds the warehouse file, when that is what went wrong."""
    for cause in causes(error):
        if "Could not set lock on file" in str(cause):
            found = re.search(r"\(PID (\d+)\)", str(cause))
            return f"process {found[1]}" if found else "another process"
    return None


def explain(error: BaseException, source: str | None, data_dir: Path) -> KindError:
    """Turn any error into one for people."""
    if is_disk_full(error):
        return KindError(
            f"The disk is full: {data_dir} cannot take more. Nothing is lost; make room there and run again."
        )
    if holder := holder_of_lock(error):
        return KindError(
            f"The warehouse {data_dir / 'warehouse.duckdb'} is open in {holder}. Close it there, or wait until it is "
            "done, and run the same again.",
            LOCKED,
        )
    for cause in causes(error):
        if told := told_by_kind(cause, source):
            return told
    innermost = list(causes(error))[-1]
    return KindError(
        f"Loading {source or 'the warehouse'} failed: {first_line(innermost)} ({type(innermost).__name__}). Nothing "
        "half loaded counts; --verbose shows where it happened."
    )


def told_by_kind(error: BaseException, source: str | None) -> KindError | None:
    """The message for the kinds of errors that happen outside; none for others."""
    name = f"{type(error).__module__}.{type(error).__name__}"
    told = first_line(error)
    where = f"Correct {SETTINGS[source]} in the environment or in .dlt/secrets.toml" if source else "Correct it"
    start = f"Start it (demo shop: make demo), or {where[0].lower()}{where[1:]}"
    match name.split("."):
        case ["ingestion", "errors", _] if isinstance(error, KindError):
            return error
        case ["psycopg2", "InterfaceError"]:
            # A connection that is closed already was closed for a reason, which comes next.
            return None
        case ["psycopg2", *_] if source == "shop":
            told = told.removeprefix("connection to server ").removeprefix("connection ")
            if "authentication failed" in told or "no password supplied" in told or "does not exist" in told:
                return KindError(f"The shop's Postgres refused the connection: {told}. {where}.")
            if "permission denied" in told:
                return KindError(f"The shop's Postgres says: {told}. Grant select on it to the role that loads.")
            if "server closed" in told or "terminating" in told:
                return KindError(reading_failed(told))
            return KindError(f"The shop's Postgres failed: {told}. {start}.")
        case ["requests", "exceptions", "HTTPError"]:
            response = error.response
            asked = response.url.split("?")[0]
            if response.status_code in (401, 403):
                return KindError(f"The API refused the token at {asked} ({response.status_code}). {where}.")
            return KindError(
                f"The API answered {response.status_code} at {asked}, also when asked again. Nothing was loaded from "
                "it; run again later, or ask its owner."
            )
        case ["requests", "exceptions", kind] if error.request is not None:
            asked = error.request.url.split("?")[0]
            if kind in ("ConnectionError", "ConnectTimeout"):
                return KindError(f"Cannot reach the API at {asked}. {start}.")
            return KindError(f"The API at {asked} gave no whole answer in several tries: {told}. Run again later.")
        case ["requests", "exceptions", _]:
            return KindError(f"The API cannot be asked: {told}. {where}.")
        case ["dlt", "common", "configuration", "exceptions", "ConfigFieldMissingException"]:
            return KindError(missing(source, list(error.fields)))
        case ["dlt", "common", "configuration", *_]:
            return KindError(f"A setting of {source} cannot be read ({type(error).__name__}). {where}.")
        case ["builtins", _] if isinstance(error, OSError) and error.filename:
            return KindError(f"Cannot use {error.filename}: {error.strerror}. Mend that and run again.")
    return None


def missing(source: str, settings: list[str]) -> str:
    """What to say about settings that are not there."""
    names = ", ".join(f"sources.{source}.{setting}" for setting in settings)
    many, them = ("s", "them") if len(settings) > 1 else ("", "it")
    where = SETTINGS[source] if source == "shop" else variables(source, settings)
    return f"Missing setting{many}: {names}. Set {them} in the environment or in .dlt/secrets.toml: {where}."


def variables(source: str, settings: list[str]) -> str:
    """The names of settings in the environment."""
    return " and ".join(f"SOURCES__{source}__{setting}".upper() for setting in settings)


def reading_failed(told: str) -> str:
    """What to say when the shop's Postgres goes away while it is read."""
    return (
        f"Reading the shop's Postgres failed: {told}. Nothing half loaded counts: see that it is well, and run again."
    )


def first_line(error: BaseException) -> str:
    """The first line of a message that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(error).__name__
