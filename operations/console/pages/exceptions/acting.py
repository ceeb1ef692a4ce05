"""Retrying and dismissing many: first a page that names the count, then those and no others."""

import click
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from operations.console.access import require_operator
from operations.console.forms import needed, posted, text
from operations.console.pages.exceptions.choosing import choice_of, in_words, parameters
from operations.console.rendering import address, done, render
from operations.exceptions.bulk import agreed, dismiss_matching, matching, retry_matching

RETRY, DISMISS = "retry", "dismiss"


def confirm(request: Request) -> Response:
    """Say what would be done to how many, and ask."""
    require_operator(request)
    fields = request.query_params
    act = _act(text(fields, "act"))
    choice = choice_of(fields)
    with request.app.state.services.reading() as connection:
        found = matching(connection, choice)
    return render(
        request,
        "exceptions_confirm.html",
        act=act,
        chosen=parameters(choice),
        in_words=in_words(choice),
        found=found,
        agreed=found.to_retry if act == RETRY else found.to_dismiss,
    )


def carry_out(request: Request, form: FormData) -> Response:
    """Do it to all that match, if they are those that were confirmed."""
    actor = require_operator(request).actor
    act = _act(text(form, "act"))
    choice = choice_of(form)
    confirmed = agreed(needed(form, "confirmed", "What was confirmed"))
    services = request.app.state.services
    with services.acting() as connection:
        if act == RETRY:
            servers = services.addresses.brokers()
            done_to = retry_matching(connection, servers, choice, confirmed, actor)
            notice = f"{_exceptions(done_to)} tried again from now on."
        else:
            reason = needed(form, "why", "The reason")
            done_to = dismiss_matching(connection, choice, confirmed, actor, reason)
            notice = f"{_exceptions(done_to)} dismissed."
    target = {name: value for name, value in parameters(choice).items() if name != "id"}
    return done(request, address("/exceptions", target), notice)


def _exceptions(count: int) -> str:
    return "1 exception is" if count == 1 else f"{count:,} exceptions are"


def _act(named: str | None) -> str:
    if named not in {RETRY, DISMISS}:
        raise click.UsageError(f"{named!r} cannot be done to exceptions here: nothing was done.")
    return named


ROUTES = (
    Route("/exceptions/confirm", confirm),
    Route("/exceptions/act", posted(carry_out), methods=["POST"]),
)
