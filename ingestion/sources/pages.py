"""The API's ways of paging, each refusing to end early, to go round in circles or to skip a row that moved."""

from typing import Any

from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from ingestion.errors import KindError


def asked(response: Response) -> str:
    """What was asked, without the query, for messages."""
    return response.url.split("?")[0]


class CursorPages(BasePaginator):
    """Follows the token `next` of the body; a token that comes twice would never end."""

    def __init__(self) -> None:
        super().__init__()
        self.cursor: str | None = None
        self.seen: set[str] = set()

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Take the token of the next page from the answer."""
        self.cursor = response.body.get("next") or None
        self._has_next_page = self.cursor is not None
        if self.cursor in self.seen:
            raise KindError(f"The API at {asked(response)} sent the same page token twice: its pages never end.")
        self.seen.add(self.cursor or "")

    def update_request(self, request: Request) -> None:
        """Ask for the next page."""
        request.params["cursor"] = self.cursor


class NumberedPages(BasePaginator):
    """Walks `page` up to the header `X-Total-Pages`; an empty page before the last one is an error."""

    def __init__(self) -> None:
        super().__init__()
        self.page = 1

    def init_request(self, request: Request) -> None:
        """Ask for the first page."""
        self.update_request(request)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Compare the page with the total, and step on."""
        total = response.headers.get("X-Total-Pages", "")
        if not total.isdecimal():
            raise KindError(f"The API at {asked(response)} did not say how many pages there are (X-Total-Pages).")
        if not data and self.page <= int(total):
            raise KindError(
                f"The API at {asked(response)} sent an empty page {self.page} of {total}: rows would be missing. "
                "Nothing was loaded from it; run again."
            )
        self._has_next_page = self.page < int(total)
        self.page += 1

    def update_request(self, request: Request) -> None:
        """Ask for the next page."""
        request.params["page"] = self.page


class ChangePages(NumberedPages):
    """Numbered pages in order of `updated_at`, read so that rows moving between pages cannot be skipped.

    A record that changes while its list is read moves to the end, and all pages after it shift by one row. So the next
    page is not asked for by number but as the first page since the last timestamp seen. Page numbers remain for a run
    of equal timestamps, and for answers that turn out not to be sorted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.since: str | None = None
        self.at_least_pages = 0
        self.is_sorted = True

    def init_request(self, request: Request) -> None:
        """Remember where the reading began and ask for the first page."""
        self.beginning = request.params.get("updated_since")
        super().init_request(request)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Step to the first page since the newest record of this one."""
        super().update_state(response, data)
        total = int(response.headers["X-Total-Pages"])
        if total < self.at_least_pages:
            # Asking from a later moment took away more than the rows already read: there is no order to rely on.
            self.is_sorted, self.since, self.page, self.at_least_pages = False, self.beginning, 1, 0
            self._has_next_page = True
        if not self.is_sorted:
            return
        stamps = [str(record.get("updated_at")) if isinstance(record, dict) else "" for record in data or ()]
        is_sorted = stamps == sorted(stamps) and len({len(stamp) for stamp in stamps}) == 1
        if is_sorted and stamps[-1] > stamps[0]:
            self.since, self.page, self.at_least_pages = stamps[-1], 1, total - 1

    def update_request(self, request: Request) -> None:
        """Ask for the next page."""
        super().update_request(request)
        request.params["updated_since"] = self.since or self.beginning
