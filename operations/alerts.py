"""Tell people what is wrong, once, in one message a run, and once more when it is good again.

`ops_open_alerts` says what is wrong now; `<data>/alerts.json` remembers what was told. Apprise brings the message to
Slack, e-mail, PagerDuty and the rest; without an address it goes to the log.
"""

import json
import sys
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass

from ingestion.errors import KindError
from ingestion.warehouse import open_warehouse
from operations.history import record
from operations.settings import DATA_DIR, TARGET, WAREHOUSE, is_file

TOLD = DATA_DIR / "alerts.json"
SHOWN = 10
# What happens once is not good again later.
EVENTS = ("schema:", "trending:")
MARKS = {"error": "✗", "warn": "!", "info": "·"}


@dataclass(frozen=True)
class Alert:
    """Something that somebody should know."""

    key: str
    severity: str
    title: str
    detail: str | None = None

    @classmethod
    def of_step(cls, step: str, reason: str) -> "Alert":
        """The alert about a failed step, as `ops_alerts_on_pipeline` words it."""
        return cls(f"step:{step}", "error", f"Step {step} failed", reason)

    @property
    def summary(self) -> tuple[str, str]:
        """What is told anew when it changes."""
        return self.severity, self.title

    def __str__(self) -> str:
        line_break = "\n  " if self.severity != "info" else ". "
        return f"{MARKS[self.severity]} {self.title}" + (f"{line_break}{self.detail}" if self.detail else "")


def announce(failure: Alert | None = None) -> bool:
    """Tell what is new since the last message; `failure` is told even when the warehouse cannot be asked."""
    told = {item["key"]: Alert(**item) for item in json.loads(TOLD.read_text())} if TOLD.exists() else {}
    alerts = {alert.key: alert for alert in open_alerts(failure, told)}
    new = [alert for key, alert in alerts.items() if key not in told or told[key].summary != alert.summary]
    gone = [alert for key, alert in told.items() if key not in alerts and not key.startswith(EVENTS)]
    if (new or gone) and not send(*message(new, gone, len(alerts) - len(new))):
        return False
    DATA_DIR.mkdir(parents=True, exist_ok=True)
    draft = TOLD.with_suffix(".part")
    draft.write_text(json.dumps([asdict(alert) for alert in alerts.values()], indent=2))
    draft.replace(TOLD)
    return True


def open_alerts(failure: Alert | None, told: dict[str, Alert]) -> list[Alert]:
    """What is wrong now, the worst first; all that was told before, when the warehouse cannot be asked."""
    found = {failure.key: failure} if failure else {}
    if is_file() and not WAREHOUSE.exists():
        return by_severity(told | found)
    try:
        record(wait_seconds=0)
        rows = ask("select alert_key, severity, title, detail from marts.ops_open_alerts order by 1")
        # What the warehouse knows of the step says more, unless it has no detail.
        found |= {row[0]: Alert(*row) for row in rows if row[3] or row[0] not in found}
    except Exception as error:
        # Held by another process, broken, or not built yet: a failure that we know of is told all the same.
        print(f"! The warehouse could not be asked for alerts: {str(error).splitlines()[0]}", file=sys.stderr)
        found = told | found
    return by_severity(found)


def by_severity(alerts: dict[str, Alert]) -> list[Alert]:
    """The worst first, and one of each kind before the second of any: a hundred scarce products hide nothing."""
    of_kind = Counter()

    def place(alert: Alert) -> tuple[int, int]:
        kind = alert.key.partition(":")[0]
        of_kind[kind] += 1
        return list(MARKS).index(alert.severity), of_kind[kind]

    return sorted(alerts.values(), key=place)


def ask(statement: str) -> list[tuple]:
    """Rows of the marts, whatever the warehouse is."""
    if TARGET == "spark":
        raise KindError("on Spark only failed steps are told by themselves, marts.ops_open_alerts has the rest")
    if not is_file():
        from warehouses import postgres

        with closing(postgres.connect("transformer")) as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall()
    with open_warehouse(DATA_DIR) as warehouse:
        return warehouse.query(statement)


def message(new: list[Alert], gone: list[Alert], still_open: int) -> tuple[str, str, str]:
    """Title, text and kind of the one message."""
    problems = [alert for alert in new if alert.severity != "info"]
    lines = [str(alert) for alert in new[:SHOWN]]
    if len(new) > SHOWN:
        lines.append(f"… and {len(new) - SHOWN} more: see marts.ops_open_alerts")
    lines += [f"✓ Good again: {alert.title}" for alert in gone[:SHOWN]]
    if len(gone) > SHOWN:
        lines.append(f"✓ … and {len(gone) - SHOWN} more that are good again")
    if still_open:
        lines.append(f"Still open, told before: {still_open}")
    if problems:
        kind = "failure" if problems[0].severity == "error" else "warning"
        title = f"Storehouse: {problems[0].title}" + (f", and {len(new) - 1} more" if len(new) > 1 else "")
    elif new:
        kind, title = "info", f"Storehouse: {new[0].title}" + (f", and {len(new) - 1} more" if len(new) > 1 else "")
    else:
        kind, title = "success", "Storehouse: good again"
    return title, "\n".join(lines), kind


def send(title: str, text: str, kind: str) -> bool:
    """Bring a message to every address of the configuration; without one, print it."""
    addresses = configured_addresses()
    if not addresses:
        print(f"\n{title}\n{text}\n", flush=True)
        return True
    import apprise

    sender = apprise.Apprise()
    # An address holds passwords: none of it is ever printed.
    if sum(sender.add(address) for address in addresses) < len(addresses):
        problem = "an address under [operations.alerts] urls is not one that Apprise knows. Correct it"
    elif sender.notify(title=title, body=text, notify_type=kind):
        return True
    else:
        problem = "the receiver did not take it"
    print(
        f"! The alert could not be sent: {problem}. It is tried again with the next run.\n{title}\n{text}",
        file=sys.stderr,
    )
    return False


def configured_addresses() -> list[str]:
    """The addresses under [operations.alerts] in .dlt/secrets.toml, or in OPERATIONS__ALERTS__URLS."""
    import dlt

    found = dlt.secrets.get("operations.alerts.urls")
    return found.split() if isinstance(found, str) else list(found or [])
