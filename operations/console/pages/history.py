"""The chain of events of somebody or something, what became of each, and what is missing."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

import click
import psycopg
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from operations.console.forms import identity, place, text, written_place
from operations.console.queries import read_query, rows
from operations.console.rendering import address, render
from operations.history.chain import Subject, read_chosen
from operations.history.summary import Stretch, read_history

_FOUND, _WHOSE = map(read_query, ("found", "whose"))
_EVENTS_MAX = 50
_KINDS = ("contract", "session", "package", "mentor")


def page(request: Request) -> Response:
    """Show a chain, or find out whose an id is, or ask for one."""
    fields = request.query_params
    named = {kind: text(fields, kind) for kind in _KINDS}
    wanted, event = text(fields, "search"), text(fields, "event")
    with request.app.state.services.reading() as connection:
        if wanted is not None:
            return _found(request, connection, wanted, text(fields, "kind"))
        if event is not None:
            return _of_event(request, connection, identity(event))
        if any(named.values()):
            return _of_subject(request, connection, _subject(named))
    return render(request, "history.html", subject=None, wanted="", kinds=None)


def _subject(named: dict[str, str | None]) -> Subject:
    if list(named.values()).count(None) != len(_KINDS) - 1:
        raise click.UsageError("Ask for one of contract, session, package and mentor.")
    return Subject(**named)


def _found(
    request: Request, connection: psycopg.Connection, wanted: str, kind: str | None
) -> Response:
    """Go to what bears the id; where several do, let the person choose."""
    try:
        event = UUID(wanted)
    except ValueError:
        event = None
    found = rows(connection, _FOUND, {"wanted": wanted, "event": event})
    kinds = [row["kind"] for row in found]
    if kind in kinds:
        kinds = [kind]
    if len(kinds) == 1:
        return RedirectResponse(address("/history", {kinds[0]: wanted}), 303)
    status = 200 if kinds else 404
    return render(request, "history.html", status, subject=None, wanted=wanted, kinds=kinds)


def _of_event(request: Request, connection: psycopg.Connection, event: UUID) -> Response:
    """Go to the chain that an event belongs to; one that belongs to none is shown alone."""
    found = rows(connection, _WHOSE, {"event": event})
    if not found:
        return render(request, "history.html", 404, subject=None, wanted=str(event), kinds=[])
    kind = found[0]["aggregate_type"]
    if kind in _KINDS:
        target = address("/history", {kind: found[0]["aggregate_id"]})
        return RedirectResponse(f"{target}#{event}", 303)
    return render(
        request,
        "history.html",
        subject=f"event {event}",
        wanted=str(event),
        kinds=None,
        summary=None,
        chain=read_chosen(connection, events=[event]),
        following=None,
        stretch=None,
    )


def _of_subject(request: Request, connection: psycopg.Connection, subject: Subject) -> Response:
    stretch = _stretch(request)
    found = read_history(connection, subject, stretch)
    shown = found.chain[:_EVENTS_MAX]
    ids = {kind: value for kind, value in asdict(subject).items() if value is not None}
    if not found.chain and stretch.after_at is None:
        (wanted,) = ids.values()
        return render(request, "history.html", 404, subject=None, wanted=wanted, kinds=[])
    return render(
        request,
        "history.html",
        subject=str(subject),
        wanted=next(iter(ids.values())),
        kinds=None,
        summary=found.summary,
        chain=shown,
        following=_following(ids, shown) if len(found.chain) > _EVENTS_MAX else None,
        stretch=stretch,
    )


def _stretch(request: Request) -> Stretch:
    after_at, after_id = place(request.query_params) or (None, None)
    return Stretch(after_at, after_id, _EVENTS_MAX + 1)


def _following(ids: dict[str, str], shown: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {**ids, "after": written_place(shown[-1]["created_at"], shown[-1]["id"])}


ROUTES = (Route("/history", page),)
