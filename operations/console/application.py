"""The console as an ASGI application: its addresses, and what an error looks like."""

import secrets
from http import HTTPStatus
from pathlib import Path

import click
import structlog
from psycopg import OperationalError
from psycopg.errors import QueryCanceled
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from operations.console.access import Access, ForbiddenError
from operations.console.observing import Observer
from operations.console.pages import (
    actions,
    connectors,
    exceptions,
    health,
    history,
    ledger,
    login,
    overview,
    reconciliation,
)
from operations.console.reconciler import Reconciler
from operations.console.rendering import render
from operations.console.services import Services
from operations.console.settings import ConsoleSettings
from operations.console.users import UsersFileError
from operations.exceptions.listing import UnknownExceptionError
from operations.failures import UnreachableError, explain

_STATIC = Path(__file__).parent / "static"
_PAGES = (
    overview, history, exceptions, ledger, connectors, reconciliation, actions, login, health,
)  # fmt: skip

_log = structlog.get_logger(__name__)


def make_application(
    settings: ConsoleSettings, services: Services, observer: Observer
) -> Starlette:
    """Return the console; `request.app.state` has what is given here."""
    routes: list[Route | Mount] = [route for page in _PAGES for route in page.ROUTES]
    routes.append(Mount("/static", StaticFiles(directory=_STATIC), name="static"))
    application = Starlette(
        routes=routes,
        middleware=[
            Middleware(
                SessionMiddleware,
                secret_key=settings.session_secret,
                session_cookie="__Host-outbox" if settings.behind_tls else "outbox",
                max_age=int(settings.session_hours * 3600),
                same_site="lax",
                https_only=settings.behind_tls,
            ),
            Middleware(Access, settings=settings, tell_fault=_broken),
        ],
        exception_handlers={HTTPException: _refused, click.ClickException: _failed},
    )
    application.state.settings = settings
    application.state.services = services
    application.state.observer = observer
    application.state.tries = login.Tries()
    application.state.reconciler = Reconciler(services)
    # What a client of a service raises is told as the command line tells it.
    for kind in (OperationalError, QueryCanceled):
        application.add_exception_handler(kind, _explained)
    return application


def _refused(request: Request, error: Exception) -> Response:
    """Tell what Starlette itself refuses: no such page, a method that is not allowed."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    text = {
        404: f"There is no page {request.url.path}.",
        405: f"{request.url.path} does not take {request.method}.",
        411: "A form must say how long it is: nothing was done.",
        413: "The form is too long: nothing was done.",
    }.get(status, str(getattr(error, "detail", error)))
    return render(request, "error.html", status, title=HTTPStatus(status).phrase, text=text)


def _failed(request: Request, error: Exception) -> Response:
    """Tell what a verb would tell on standard error."""
    if isinstance(error, ForbiddenError):
        status, title = 403, "Not allowed"
    elif isinstance(error, click.UsageError):
        status, title = 400, "That cannot be asked"
    elif isinstance(error, UnknownExceptionError):
        status, title = 404, "It is not there"
    elif isinstance(error, UnreachableError):
        status, title = 503, "A service cannot be reached"
    else:
        status, title = 409, "It was not done"
    text = error.format_message() if isinstance(error, click.ClickException) else str(error)
    return render(request, "error.html", status, title=title, text=text)


def _explained(request: Request, error: Exception) -> Response:
    if isinstance(error, QueryCanceled):
        return render(
            request,
            "error.html",
            503,
            title="It took too long",
            text="The database did not answer this within its time. Ask for less: a shorter "
            "period, one mentor or contract.",
        )
    return _broken(request, error)


def _broken(request: Request, error: Exception) -> Response:
    """Tell a fault of ours by a number that is in the log as well, and nothing more of it."""
    explained = error if isinstance(error, click.ClickException) else explain(error)
    if explained is not None:
        return _failed(request, explained)
    if isinstance(error, UsersFileError):
        return render(request, "error.html", 503, title="Nobody can log in", text=str(error))
    reference = secrets.token_hex(4)
    _log.error("page_failed", reference=reference, path=request.url.path, exc_info=error)
    text = f"This is a fault of the console. Its log has it under {reference}."
    return render(request, "error.html", 500, title="The page failed", text=text)
