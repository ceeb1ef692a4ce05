"""Who may do what: hosts, origins, sessions and roles, checked before any page is asked.

A write is accepted from the console's own pages alone. Browsers say where a request comes from in
`Sec-Fetch-Site` and `Origin`, which no page can forge; a request that says neither is refused.
The Host header is checked too: else a stranger's name that points to loopback would make a
stranger's page one of "its own".
"""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp

from operations.actions import operating_system_user
from operations.console.settings import ConsoleSettings
from operations.console.users import Role, User, UsersFileError, read_users
from operations.failures import ProblemError

MACHINE_PATHS = frozenset({"/health", "/live", "/metrics"})
"""For programs that watch: no person's data, so no login."""
OPEN_PREFIXES = ("/login", "/static/")
_READING = frozenset({"GET", "HEAD"})
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # With no referrer at all, browsers send no Origin with a form either.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


TellFault = Callable[[Request, Exception], Response]


class ForbiddenError(ProblemError):
    """It may not be done, by this user or from there; the message says which."""


class LoginNeededError(Exception):
    """Nobody is logged in, and somebody must be."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is at the console. `actor` is what the audit table says of their acts."""

    actor: str
    role: Role
    logged_in: bool

    @property
    def acts(self) -> bool:
        """Whether they may do more than read."""
        return self.role is Role.OPERATOR


class Access(BaseHTTPMiddleware):
    """Refuses what may not be, and sets `request.state.visitor`."""

    def __init__(self, app: ASGIApp, settings: ConsoleSettings, tell_fault: TellFault) -> None:
        super().__init__(app)
        self._tell_fault = tell_fault
        self._settings = settings
        self._hosts = {urlsplit(origin).netloc for origin in settings.origins}
        self._headers = dict(_HEADERS)
        if settings.behind_tls:
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Let a request through, or answer it here."""
        request.state.visitor = None
        if request.url.path not in MACHINE_PATHS:
            fault = self._fault(request)
            if fault is not None:
                return self._safe(Response(fault, 403, media_type="text/plain"))
            try:
                request.state.visitor = self._visitor(request)
            except LoginNeededError:
                return self._safe(_to_login(request))
            except UsersFileError as error:
                return self._safe(self._tell_fault(request, error))
        try:
            response = await call_next(request)
        except Exception as error:  # noqa: BLE001 - told here: further out it had no headers
            response = self._tell_fault(request, error)
        return self._safe(response)

    def _safe(self, response: Response) -> Response:
        response.headers.update(self._headers)
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    def _fault(self, request: Request) -> str | None:
        """Return why a request is a stranger's; None where it is not."""
        host = request.headers.get("host", "").lower()
        if host not in self._hosts:
            return (
                f"This console does not answer for {host or 'no host'!r}. It is reached as "
                f"{' or '.join(sorted(self._settings.origins))}; another address is set in "
                "OUTBOX_CONSOLE_ORIGIN.\n"
            )
        if request.method in _READING:
            return None
        site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
        if site is None and origin is None:
            return "Refused: the request does not say where it comes from. Nothing was done.\n"
        if site not in {None, "same-origin"} or (
            origin is not None and origin.lower() not in self._settings.origins
        ):
            return "Refused: the request comes from another site's page. Nothing was done.\n"
        return None

    def _visitor(self, request: Request) -> Visitor | None:
        """Return who it is. Raises LoginNeededError where somebody must log in first."""
        path = self._settings.users_file
        if path is None:
            return Visitor(operating_system_user(), Role.OPERATOR, logged_in=False)
        user = read_users(path).get(request.session.get("name", ""))
        if user is not None and request.session.get("stamp") == user.stamp:
            return Visitor(user.name, user.role, logged_in=True)
        if request.url.path.startswith(OPEN_PREFIXES):
            return None
        raise LoginNeededError


def begin_session(request: Request, user: User) -> None:
    """Log a user in: a new session, bound to the password and role of now."""
    request.session.clear()
    request.session.update({"name": user.name, "stamp": user.stamp})


def require_operator(request: Request) -> Visitor:
    """Return who acts. Raises ForbiddenError where a viewer tries to."""
    visitor: Visitor = request.state.visitor
    if not visitor.acts:
        raise ForbiddenError(
            f"{visitor.actor} may read and not act: nothing was done. An operator can do it, or "
            "make you one with `outbox console users add`."
        )
    return visitor


def _to_login(request: Request) -> Response:
    # A part of a page cannot lead to another one.
    if request.method not in _READING or "hx-request" in request.headers:
        return Response("Log in first. Nothing was done.\n", 401, media_type="text/plain")
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse(f"/login?next={quote(wanted, safe='')}", 303)
