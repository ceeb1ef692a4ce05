"""One exception: all of it, and each way out of it."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import click
import psycopg
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from operations.console.access import ForbiddenError, require_operator
from operations.console.forms import identity, needed, posted
from operations.console.queries import read_query, rows
from operations.console.rendering import HIDDEN, done, render
from operations.exceptions.billing_singly import bill_singly
from operations.exceptions.dismissing import dismiss_exceptions
from operations.exceptions.listing import Choice, chosen_exceptions
from operations.exceptions.resending import stored_record
from operations.exceptions.retrying import Attempt, retry_and_wait, retry_record
from operations.exceptions.voiding import void_event
from operations.exceptions.ways_out import WayOut, is_of_an_event, refusal, way_out
from operations.failures import ProblemError
from stream_processors.ledger.exceptions import OPEN_STATUSES

_ACTIONS = read_query("exception_actions")
# A page is not to hang for as long as a verb may.
_WAIT_SECONDS = 3.0


def page(request: Request) -> Response:
    """Show one exception."""
    exception_id = identity(request.path_params["exception"])
    with request.app.state.services.reading() as connection:
        exception = _one(connection, exception_id)
        acts = rows(
            connection, _ACTIONS, {"subject": exception["subject"], "exception": exception_id}
        )
    hidden = request.app.state.settings.hide_payloads
    is_open = exception["status"] in OPEN_STATUSES
    return render(
        request,
        "exception.html",
        exception=exception,
        acts=acts,
        refusal=refusal(exception),
        can_retry=refusal(exception) is None,
        can_edit=refusal(exception) is None and is_of_an_event(exception) and not hidden,
        can_void=is_open and exception["source_event_id"] is not None,
        can_bill_singly=is_open
        and exception["reason"] == "package_exceeded"
        and "payable" not in (exception["record"] or {}),
        can_dismiss=is_open,
        value=_value(exception),
    )


def _one(connection: psycopg.Connection, exception_id: UUID) -> dict[str, Any]:
    (exception,) = chosen_exceptions(connection, Choice(ids=[exception_id]))
    return exception


def _value(exception: Mapping[str, Any]) -> str:
    """Return the value of an event's record as text to edit, indented where it is JSON."""
    if not is_of_an_event(exception):
        return ""
    value = (stored_record(exception["record"]).value or b"").decode(errors="replace")
    try:
        return json.dumps(json.loads(value), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return value


def retry(request: Request, form: FormData) -> Response:
    """Try it again, with another value if one was given, and tell what became of it."""
    actor = require_operator(request).actor
    exception_id = identity(request.path_params["exception"])
    edited = form.get("value")
    services = request.app.state.services
    with services.acting() as connection:
        exception = _one(connection, exception_id)
        why_not = refusal(exception)
        if why_not is not None:
            raise ProblemError(f"{why_not} Nothing was retried.")
        value = _edited(request, exception, edited) if isinstance(edited, str) else None
        if way_out(exception) is WayOut.SEND_AGAIN:
            servers = services.addresses.brokers()
            attempt = retry_record(connection, servers, exception, value, actor)
        else:
            (attempt,) = retry_and_wait(connection, [exception_id], _WAIT_SECONDS, actor)
    hidden = request.app.state.settings.hide_payloads
    return done(request, f"/exceptions/{exception_id}", _told(attempt, hidden=hidden))


def _told(attempt: Attempt, *, hidden: bool) -> str:
    error = f": {HIDDEN if hidden else attempt.error}" if attempt.error else ""
    return f"Tried again: {attempt.became}{error}."


def _edited(request: Request, exception: Mapping[str, Any], value: str) -> bytes:
    """Return the edited value as bytes. Raises click.UsageError where it cannot be one."""
    if request.app.state.settings.hide_payloads:
        raise ForbiddenError("Payloads are hidden here, so none can be edited: nothing was done.")
    if not is_of_an_event(exception):
        raise click.UsageError(
            "What this exception holds is computed from events, so there is nothing to edit: void "
            "the wrong event or insert the missing price. Nothing was done."
        )
    try:
        json.loads(value)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"The value must be JSON: {error}. Nothing was done.") from error
    return value.encode()


def void(request: Request, form: FormData) -> Response:
    """Decide that the exception's event counts as absent."""
    actor = require_operator(request).actor
    exception_id = identity(request.path_params["exception"])
    reason = needed(form, "why", "The reason")
    with request.app.state.services.acting() as connection:
        event = _one(connection, exception_id)["source_event_id"]
        if event is None:
            raise ProblemError("This exception is about no event: nothing was done.")
        decided = void_event(connection, event, actor=actor, reason=reason)
    notice = (
        f"Event {event} of session {decided.session_id} counts as absent: event "
        f"{decided.event_id} says so, and everything is decided anew."
    )
    return done(request, f"/exceptions/{exception_id}", notice)


def bill_by_itself(request: Request, form: FormData) -> Response:
    """Decide that a session beyond its package is billed by itself."""
    actor = require_operator(request).actor
    exception_id = identity(request.path_params["exception"])
    reason = needed(form, "why", "The reason")
    with request.app.state.services.acting() as connection:
        payable, _ = bill_singly(connection, exception_id, actor=actor, reason=reason)
    return done(
        request,
        f"/exceptions/{exception_id}",
        f"Session {payable.session_id} is billed by itself from now on.",
    )


def dismiss(request: Request, form: FormData) -> Response:
    """Decide that it is not to be billed, or is right as it stands."""
    actor = require_operator(request).actor
    exception_id = identity(request.path_params["exception"])
    reason = needed(form, "why", "The reason")
    with request.app.state.services.acting() as connection:
        dismiss_exceptions(connection, [exception_id], reason, actor)
    return done(request, f"/exceptions/{exception_id}", "Dismissed.")


ROUTES = (
    Route("/exceptions/{exception}", page),
    *(
        Route(f"/exceptions/{{exception}}/{name}", posted(act), methods=["POST"])
        for name, act in (
            ("retry", retry),
            ("void", void),
            ("bill-singly", bill_by_itself),
            ("dismiss", dismiss),
        )
    ),
)
