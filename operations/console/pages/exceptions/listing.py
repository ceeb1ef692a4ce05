"""The page that lists exceptions."""

from typing import Any

import psycopg
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from operations.console.forms import Fields, place, text, written_place
from operations.console.pages.exceptions.choosing import choice_of, parameters
from operations.console.queries import read_query, rows
from operations.console.rendering import render
from operations.exceptions.listing import Choice
from stream_processors.ledger.exceptions import REASONS, STATUSES

_LISTING, _NAMED, _COUNTS = map(read_query, ("exceptions", "exceptions_named", "exception_counts"))
_PAGE_ROWS = 50


def page(request: Request) -> Response:
    """Show the exceptions that match, oldest first."""
    fields = request.query_params
    choice = choice_of(fields)
    with request.app.state.services.reading() as connection:
        found = _page_of(connection, choice, fields)
        counts = rows(connection, _COUNTS)
    shown = found[:_PAGE_ROWS]
    return render(
        request,
        "exceptions.html",
        choice=choice,
        chosen=parameters(choice),
        exceptions=shown,
        counts=_by_status(counts),
        matching=_matching(choice, counts),
        statuses=STATUSES,
        reasons=REASONS,
        following=_following(choice, shown) if len(found) > _PAGE_ROWS else None,
        is_first=text(fields, "after") is None,
    )


def _page_of(
    connection: psycopg.Connection, choice: Choice, fields: Fields
) -> list[dict[str, Any]]:
    after_at, after_id = place(fields) or (None, None)
    named = choice.subject is not None or choice.events
    return rows(
        connection,
        _NAMED if named else _LISTING,
        {
            "statuses": list(choice.statuses or STATUSES),
            "reasons": list(choice.reasons or REASONS),
            "overdue": choice.overdue,
            "subject": choice.subject,
            "event": choice.events[0] if choice.events else None,
            "after_at": after_at,
            "after_id": after_id,
            "rows_max": _PAGE_ROWS + 1,
        },
    )


def _following(choice: Choice, shown: list[dict[str, Any]]) -> dict[str, Any]:
    last = shown[-1]
    return {**parameters(choice), "after": written_place(last["first_failed_at"], last["id"])}


def _by_status(counts: list[dict[str, Any]]) -> dict[str, int]:
    sums = dict.fromkeys((*STATUSES, "overdue"), 0)
    for row in counts:
        sums[row["status"]] += row["exceptions"]
        sums["overdue"] += row["overdue"]
    return sums


def _matching(choice: Choice, counts: list[dict[str, Any]]) -> int | None:
    """Return how many match in all; None where only the act's own count can tell."""
    if choice.subject is not None or choice.events:
        return None
    column = "overdue" if choice.overdue else "exceptions"
    return sum(
        int(row[column])
        for row in counts
        if row["status"] in choice.statuses
        and (not choice.reasons or row["reason"] in choice.reasons)
    )


ROUTES = (Route("/exceptions", page),)
