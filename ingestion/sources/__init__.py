"""One dlt source a module: `shop` (Postgres), `api` (REST), `files` (object storage), `stream` (Kafka)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta


@dataclass(frozen=True)
class Days:
    """Days to read again, the first and the last included, in UTC; what a run knows of the rest stays as it is."""

    first: date
    last: date

    @property
    def begin(self) -> datetime:
        """The first moment."""
        return datetime.combine(self.first, time.min, UTC)

    @property
    def end(self) -> datetime:
        """The first moment after the last day."""
        return datetime.combine(self.last + timedelta(days=1), time.min, UTC)
