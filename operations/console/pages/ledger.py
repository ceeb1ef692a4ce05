"""What is owed: entries and their totals, one entry's whole story, and all of it as CSV."""

from collections.abc import Generator, Mapping
from contextlib import closing
from datetime import UTC, date, datetime
from itertools import chain
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from operations.console.csv_export import csv_text, header
from operations.console.forms import Fields, identity, text
from operations.console.periods import Period, last_days, month, month_before, period
from operations.console.queries import read_query, rows
from operations.console.rendering import render
from operations.ledger.entries import NoEntryError, read_entry
from operations.ledger.listing import Choice, all_entries, chosen_entries, entries_page

_PAGE_ENTRIES = 50
_MENTORS_MAX = 10
_CHAIN_MAX = 200
_DEFAULT_DAYS = 7
_SUBJECTS = ("mentor", "contract", "session", "package")
_BEGINNING = date(1970, 1, 1)
_SEAL = read_query("seal")
_ACTIONS = read_query("actions")
_OF_ANYBODY = {"actor": None, "action": None, "before": None, "rows_max": _CHAIN_MAX}
_COLUMNS = (
    "posted_at", "id", "kind", "mentor_id", "contract_id", "student_id", "session_id",
    "service_package_id", "amount_minor", "currency", "occurred_at", "price_effective_from",
    "source_event_id", "reverses", "reversed_by", "session_ids", "decided_by", "reason",
)  # fmt: skip


def page(request: Request) -> Response:
    """Show what was posted, newest first; of a mentor, contract, session, package or period."""
    fields = request.query_params
    asked = _asked(fields)
    chosen = {**{name: text(fields, name) for name in _SUBJECTS}, **asked.parameters}
    before = text(fields, "before")
    with request.app.state.services.reading() as connection:
        found = entries_page(
            connection,
            _choice(fields, asked),
            before=None if before is None else identity(before),
            entries_max=_PAGE_ENTRIES,
            mentors_max=_MENTORS_MAX,
        )
    return render(
        request,
        "ledger.html",
        found=found,
        chosen=chosen,
        asked=asked,
        periods=_periods(),
        first_page=before is None,
        mentors_max=_MENTORS_MAX,
        following={**chosen, "before": found.entries[-1]["id"]} if found.goes_on else None,
    )


def entry(request: Request) -> Response:
    """Show one entry: all of it, what it pays, what took it back, and who decided that."""
    entry_id = identity(request.path_params["id"])
    with request.app.state.services.reading() as connection:
        try:
            shown = read_entry(connection, entry_id)
        except NoEntryError:
            text = f"The ledger has no entry {entry_id}: /ledger lists those there are."
            return render(request, "error.html", 404, title="No such entry", text=text)
        of_subject = Choice(session=shown.session_id, package=shown.service_package_id)
        entries = chosen_entries(connection, of_subject, _CHAIN_MAX).entries
        acts = rows(connection, _ACTIONS, {**_OF_ANYBODY, "subject": shown.subject})
        seals = rows(connection, _SEAL, {"id": entry_id})
    return render(request, "ledger_entry.html", entry=shown, chain=entries, acts=acts, seals=seals)


def export(request: Request) -> Response:
    """Send what the page would list, oldest first, row by row: all of it is in memory nowhere."""
    fields = request.query_params
    asked = _asked(fields)
    lines = _lines(request, _choice(fields, asked))
    # What fails does so before the answer has begun, and is told as on a page.
    first = next(lines)
    name = f"ledger-{asked.first or 'beginning'}-to-{asked.last or datetime.now(UTC).date()}.csv"
    return _Export(
        first,
        lines,
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


class _Export(StreamingResponse):
    """Sends lines; whoever breaks it off leaves no transaction open behind."""

    def __init__(self, first: str, following: Generator[str, None, None], **told: Any) -> None:
        super().__init__(chain([first], following), **told)
        self._following = following

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._following.close()


def _lines(request: Request, choice: Choice) -> Generator[str, None, None]:
    with (
        request.app.state.services.reading() as connection,
        closing(all_entries(connection, choice)) as entries,
    ):
        yield header(_COLUMNS) + csv_text(next(entries, ()), _COLUMNS)
        for some in entries:
            yield csv_text(some, _COLUMNS)


def _asked(fields: Fields) -> Period:
    """Return the period: the last days where nothing at all is said, since a ledger is long."""
    names = (*_SUBJECTS, "since", "until")
    if any(text(fields, name) for name in names):
        return period(fields)
    return last_days(datetime.now(UTC).date(), _DEFAULT_DAYS)


def _choice(fields: Fields, asked: Period) -> Choice:
    return Choice(
        **{name: text(fields, name) for name in _SUBJECTS},
        since=asked.since,
        until=asked.until,
    )


def _periods() -> Mapping[str, Period]:
    """Return what is often asked for, by what it is called."""
    today = datetime.now(UTC).date()
    return {
        "Today": last_days(today, 1),
        "7 days": last_days(today, _DEFAULT_DAYS),
        "This month": month(today),
        "Last month": month_before(today),
        "Everything": Period(_BEGINNING),
    }


ROUTES = (
    Route("/ledger", page),
    Route("/ledger.csv", export),
    Route("/ledger/{id}", entry),
)
