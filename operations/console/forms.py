"""What a form or an address brought, as the pages need it."""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import click
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

Fields = FormData | QueryParams
Act = Callable[[Request, FormData], Response]

# With room for arithmetic on both sides.
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)
_FORM_BYTES_MAX = 4_000_000


def posted(act: Act, bytes_max: int = _FORM_BYTES_MAX) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that reads the form, and acts in a thread: acts wait for services.

    It raises HTTPException for a form that does not say its length, or is longer than `bytes_max`.
    """

    async def endpoint(request: Request) -> Response:
        length = request.headers.get("content-length", "")
        if not length.isdecimal():
            raise HTTPException(411)
        if len(length) > len(str(bytes_max)) or int(length) > bytes_max:
            raise HTTPException(413)
        form = await request.form(max_part_size=bytes_max)
        return await run_in_threadpool(act, request, form)

    return endpoint


def text(fields: Fields, name: str) -> str | None:
    """Return a field without the spaces around it; None where it is empty.

    Raises click.UsageError where it holds what PostgreSQL's text cannot.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        return None
    if "\0" in value:
        raise click.UsageError(f"{name} holds a null character, which nothing here can.")
    return value.strip() or None


def needed(fields: Fields, name: str, what: str) -> str:
    """Return a field that must be filled in. Raises click.UsageError where it is not."""
    value = text(fields, name)
    if value is None:
        raise click.UsageError(f"{what} is missing: nothing was done.")
    return value


def texts(fields: Fields, name: str) -> tuple[str, ...]:
    """Return all values of a field."""
    return tuple(value for value in fields.getlist(name) if isinstance(value, str) and value)


def identity(value: str) -> UUID:
    """Return an id. Raises click.UsageError where it is none."""
    try:
        return UUID(value)
    except ValueError as error:
        raise click.UsageError(f"{value!r} is no id: it must be a UUID.") from error


def place(fields: Fields) -> tuple[datetime, UUID] | None:
    """Return after which time and id a list goes on, as `written_place` wrote it; None for all.

    Raises click.UsageError where the field `after` says no such place.
    """
    after = text(fields, "after")
    if after is None:
        return None
    at, _, following = after.partition("_")
    try:
        return datetime.fromisoformat(at), identity(following)
    except ValueError as error:
        raise click.UsageError(f"{after!r} is no place in this list.") from error


def written_place(at: datetime, last: UUID) -> str:
    """Return the field `after` of the next page, by the last row of this one."""
    return f"{at.isoformat()}_{last}"


def day(fields: Fields, name: str) -> date | None:
    """Return a day, written as 2026-03-01. Raises click.UsageError where it is none."""
    value = text(fields, name)
    if value is None:
        return None
    try:
        found = date.fromisoformat(value)
    except ValueError as error:
        raise click.UsageError(f"{value!r} is no day: write it as 2026-03-01.") from error
    if not _FIRST_DAY <= found <= _LAST_DAY:
        raise click.UsageError(f"{value} is out of range: from {_FIRST_DAY} to {_LAST_DAY}.")
    return found


def midnight(value: date) -> datetime:
    """Return the beginning of a day, UTC."""
    return datetime(value.year, value.month, value.day, tzinfo=UTC)


def next_midnight(value: date) -> datetime:
    """Return the end of a day, UTC."""
    return midnight(value) + timedelta(days=1)
