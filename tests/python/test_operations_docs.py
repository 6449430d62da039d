"""The runbook quotes what the code says."""

import re
from pathlib import Path

from conftest import ROOT

FOLDERS = ("ingestion", "operations", "warehouses", "models/marts/ops")


def test_every_message_of_the_runbook_is_in_the_code() -> None:
    sources = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".py", ".sql")]
    code = "\n".join(path.read_text() for path in sources)
    # A message that is written in several pieces, in Python or in SQL
    code = re.sub(r'"\s*f?"|\'\s*\|\|\s*\'', "", code)
    runbook = Path(ROOT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| (`.*?`) \|", runbook, re.MULTILINE)
    quoted = [message for row in rows for message in re.findall(r"`([^`]+)`", row)]
    parts = [part.strip(" ✓") for message in quoted for part in message.split("…")]
    assert len(quoted) > 25
    assert [part for part in parts if part not in code] == []
