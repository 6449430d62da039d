"""A step of a run: noted in the history with its beginning, its end and what came of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

from ingestion.errors import FAILED, KindError
from operations.notes import note

RUN_ID = "STOREHOUSE_RUN_ID"


@dataclass
class Outcome:
    """What a step says of itself."""

    exit_code: int = 0
    detail: str | None = None


def run_id() -> str:
    """The id of this run, from its load to its publish; the outermost command makes it."""
    made = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid4().hex[:6]}"
    return os.environ.setdefault(RUN_ID, os.environ.get(RUN_ID) or made)


@contextmanager
def step(name: str) -> Iterator[Outcome]:
    """Note a step's beginning, and its end however it ends."""
    row = {"run_id": run_id(), "step": name, "started_at": datetime.now(UTC)}
    note("steps", [row])
    outcome = Outcome()
    try:
        yield outcome
    except KindError as error:
        outcome = Outcome(error.exit_code, str(error))
        raise
    except BaseException as error:
        outcome = Outcome(FAILED, type(error).__name__)
        raise
    finally:
        end = {"finished_at": datetime.now(UTC), "exit_code": outcome.exit_code, "detail": outcome.detail}
        note("steps", [row | end])
