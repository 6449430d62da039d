"""Errors made for people: one line that says what went wrong, where, and what to do."""

import errno
import re
from collections.abc import Iterator

LOCKED = 75
FAILED = 1


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
        # dlt keeps what went wrong in attributes of its own, beside Python's chain.
        inner = (getattr(current, name, None) for name in ("exception", "client_exception", "orig", "reason"))
        waiting += [item for item in inner if isinstance(item, BaseException)]
        waiting += [current.__cause__, current.__context__]


def is_disk_full(error: BaseException) -> bool:
    """Whether any of the causes is a full disk."""
    return any(
        getattr(cause, "errno", None) == errno.ENOSPC or "No space left on device" in str(cause)
        for cause in causes(error)
    )


def holder_of_lock(error: BaseException) -> str | None:
    """The process that holds the warehouse file, when that is what went wrong."""
    for cause in causes(error):
        if "Could not set lock on file" in str(cause):
            found = re.search(r"\(PID (\d+)\)", str(cause))
            return found[1] if found else "unknown"
    return None


def is_transient(error: BaseException) -> bool:
    """Whether trying the same again later can succeed."""
    return is_disk_full(error) or holder_of_lock(error) is not None


def explain(error: BaseException, source: str | None, data_dir) -> KindError:
    for cause in causes(error):
        if isinstance(cause, KindError):
            return cause
    return KindError(repr(error))
