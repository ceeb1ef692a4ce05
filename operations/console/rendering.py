"""From what a page found to HTML."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from operations.console import money
from operations.output import plain_json

_MINUTE_SECONDS, _HOUR_SECONDS, _DAY_SECONDS = 60, 3_600, 86_400
_KIBI = 1024
NOTICE = "notice"
NONE = "\N{EN DASH}"

PAGES = (
    ("/", "Overview"),
    ("/history", "History"),
    ("/exceptions", "Exceptions"),
    ("/ledger", "Ledger"),
    ("/connectors", "Connectors"),
    ("/reconciliation", "Reconciliation"),
    ("/actions", "Actions"),
)
"""What the navigation shows, in this order."""


def instant(value: datetime | None, *, milliseconds: bool = False) -> Markup:
    """Return a time in UTC, which a program can read as well; a dash for none."""
    if value is None:
        return Markup('<span class="none">{}</span>').format(NONE)
    utc = value.astimezone(UTC)
    text = utc.isoformat(sep=" ", timespec="milliseconds" if milliseconds else "seconds")
    return Markup('<time datetime="{}">{}</time>').format(
        utc.isoformat(), text.removesuffix("+00:00")
    )


def duration(seconds: float | None) -> str:
    """Return a span in the unit that fits, as 23 ms, 4.2 s, 5 min, 3 h or 2 d."""
    if seconds is None:
        return NONE
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    for limit, size, unit in (
        (_MINUTE_SECONDS, 1, "s"),
        (_HOUR_SECONDS, _MINUTE_SECONDS, "min"),
        (2 * _DAY_SECONDS, _HOUR_SECONDS, "h"),
    ):
        if seconds < limit:
            amount = seconds / size
            return f"{amount:.1f} {unit}" if amount < 10 else f"{amount:.0f} {unit}"  # noqa: PLR2004
    return f"{seconds / _DAY_SECONDS:.0f} d"


def ago(value: datetime | None) -> str:
    """Return how long ago a time was."""
    if value is None:
        return "never"
    return f"{duration(max((datetime.now(UTC) - value).total_seconds(), 0))} ago"


def size(count: float | None) -> str:
    """Return bytes in the unit that fits."""
    if count is None:
        return NONE
    for unit in ("B", "KiB", "MiB"):
        if count < _KIBI:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= _KIBI
    return f"{count:.1f} GiB"


def number(value: float | None) -> str:
    """Return a count with its thousands parted, or a rate with one decimal below ten."""
    if value is None:
        return NONE
    if value == int(value) or value >= 10:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.1f}"


def words(name: str) -> str:
    """Return the name of a status or column as words."""
    return name.replace("_", " ")


def address(path: str, parameters: Mapping[str, Any]) -> str:
    """Return a path with parameters; those that are empty or None are left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in parameters.items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs.extend((name, str(each)) for each in values if each not in (None, "", False))
    return f"{path}?{urlencode(pairs)}" if pairs else path


HIDDEN = "•••"
"""Stands for a value of a payload where they are hidden, and for an error: it may quote some."""


def hidden(value: Any) -> Any:
    """Return the same with its names kept and each value covered."""
    if isinstance(value, Mapping):
        return {name: hidden(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [hidden(each) for each in value]
    return None if value is None else HIDDEN


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("operations.console"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "ago": ago,
        "duration": duration,
        "instant": instant,
        "money": money.written,
        "number": number,
        "size": size,
        "words": words,
    }
    environment.globals |= {"address": address, "pages": PAGES}
    return environment


_templates = _environment()


def render(request: Request, template: str, status: int = 200, **found: Any) -> Response:
    """Return a page. `found` are the names that its template reads."""
    hide = request.app.state.settings.hide_payloads

    def payload(value: Any) -> str:
        return json.dumps(
            hidden(value) if hide else value, indent=2, ensure_ascii=False, default=plain_json
        )

    def error(text: str | None) -> str | None:
        return HIDDEN if hide and text else text

    text = _templates.get_template(template).render(
        **found,
        path=request.url.path,
        here=request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        visitor=request.state.visitor,
        notice=request.session.pop(NOTICE, None) if "session" in request.scope else None,
        payload=payload,
        error=error,
        payloads_hidden=hide,
    )
    return HTMLResponse(text, status)


def done(request: Request, target: str, notice: str) -> Response:
    """After an act: go to a page, and tell there what was done."""
    request.session[NOTICE] = notice
    return RedirectResponse(target, 303)
