"""Logging in and out, where users are configured."""

import time
from collections import OrderedDict
from threading import Lock, Semaphore

import structlog
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from operations.console.access import begin_session
from operations.console.forms import posted, text
from operations.console.rendering import render
from operations.console.users import authenticated, read_users

_FREE_TRIES = 5
_REST_SECONDS = 30.0
_NAMES_MAX = 1_000
_FORM_BYTES_MAX = 10_000
# Each look at a password takes 64 MiB on purpose: strangers must not ask for many at once.
_looking = Semaphore(2)

_log = structlog.get_logger(__name__)


class Tries:
    """Failed tries by name: after a few, each costs a rest, whatever the password."""

    def __init__(self) -> None:
        self._failed: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._lock = Lock()

    def must_rest(self, name: str) -> bool:
        """Whether this name has failed too often lately."""
        with self._lock:
            count, at = self._failed.get(name, (0, 0.0))
        return count >= _FREE_TRIES and time.monotonic() - at < _REST_SECONDS

    def note(self, name: str, *, succeeded: bool) -> None:
        """Take the outcome of a try."""
        with self._lock:
            count, _ = self._failed.pop(name, (0, 0.0))
            if succeeded:
                return
            self._failed[name] = (count + 1, time.monotonic())
            while len(self._failed) > _NAMES_MAX:
                self._failed.popitem(last=False)


def page(request: Request) -> Response:
    """Ask for name and password; who needs none is sent on."""
    if request.state.visitor is not None:
        return RedirectResponse(_target(request.query_params.get("next")), 303)
    return render(
        request, "login.html", next=_target(request.query_params.get("next")), fault=None, name=""
    )


def log_in(request: Request, form: FormData) -> Response:
    """Begin a session, or say that name and password do not belong together."""
    name, password = text(form, "name") or "", str(form.get("password") or "")
    target = _target(text(form, "next"))
    path = request.app.state.settings.users_file
    if path is None:
        return RedirectResponse(target, 303)
    tries: Tries = request.app.state.tries
    resting = tries.must_rest(name)
    with _looking:
        user = None if resting else authenticated(read_users(path), name, password)
    if not resting:
        tries.note(name, succeeded=user is not None)
    if user is None:
        _log.warning("login_refused", user=name, resting=resting)
        fault = (
            f"Too many tries: wait {_REST_SECONDS:.0f} s."
            if resting
            else "This name and this password do not belong together."
        )
        return render(request, "login.html", 403, next=target, fault=fault, name=name)
    begin_session(request, user)
    _log.info("login", user=name, role=user.role)
    return RedirectResponse(target, 303)


def log_out(request: Request, _: FormData) -> Response:
    """End the session."""
    request.session.clear()
    return RedirectResponse("/login", 303)


def _target(wanted: str | None) -> str:
    """Return a page of ours to go to; never an address elsewhere."""
    if wanted is None or not wanted.startswith("/") or wanted[1:2] in {"/", "\\"}:
        return "/"
    return wanted


ROUTES = (
    Route("/login", page),
    Route("/login", posted(log_in, _FORM_BYTES_MAX), methods=["POST"]),
    Route("/logout", posted(log_out), methods=["POST"]),
)
