"""What people did, when, and why: the audit table."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from operations.console.forms import identity, text
from operations.console.queries import read_query, rows
from operations.console.rendering import render

_PAGE_ROWS = 50
_ACTIONS = read_query("actions")


def page(request: Request) -> Response:
    """Show acts, newest first; of a person, of a kind, or on a subject."""
    fields = request.query_params
    chosen = {name: text(fields, name) for name in ("actor", "action", "subject", "before")}
    if chosen["before"] is not None:
        identity(chosen["before"])
    with request.app.state.services.reading() as connection:
        found = rows(connection, _ACTIONS, {**chosen, "rows_max": _PAGE_ROWS + 1})
    shown = found[:_PAGE_ROWS]
    return render(
        request,
        "actions.html",
        acts=shown,
        chosen=chosen,
        following=_following(chosen, shown) if len(found) > _PAGE_ROWS else None,
    )


def _following(chosen: dict[str, str | None], shown: list[dict[str, Any]]) -> dict[str, Any]:
    return {**chosen, "before": shown[-1]["id"]}


ROUTES = (Route("/actions", page),)
