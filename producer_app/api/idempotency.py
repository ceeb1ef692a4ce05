"""Idempotency keys: a request that is sent again has its first answer, and no second effect.

After the IETF's draft of the header field Idempotency-Key: its value is a string in quotes. Many
clients send it without them, which means the same key. Key and answer are a row of the
application's own, written in the transaction of the business change.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from producer_app.api.problem_kinds import KEY_IN_FLIGHT, KEY_INVALID, KEY_REUSED
from producer_app.api.problems import RETRY_AFTER_SECONDS, ProblemError
from producer_app.models import idempotency_keys

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import Connection

KEY_PATTERN = r'^("([ !#-\[\]-~]|\\["\\]){1,255}"|[!#-\[\]-~]{1,255})$'
"""A string of RFC 8941 in its quotes, or the same without quotes, space and escapes."""

PURGED_AT_ONCE_MAX = 10
"""Each row that comes takes away up to so many that have expired: nobody else has to."""

_columns = idempotency_keys.c


@dataclass(frozen=True, slots=True)
class Answer:
    """A response as it is sent, and kept under its key."""

    status: int
    media_type: str
    body: bytes
    location: str | None = None


@dataclass(frozen=True, slots=True)
class KeyedRequest:
    """The key that the sender gave, and what tells this request from another."""

    key: str
    fingerprint: bytes


def keyed_request(header: str, method: str, path: str, body: bytes) -> KeyedRequest:
    """Return a request by the value of its Idempotency-Key; raise ProblemError for no such value.

    The body counts byte by byte: the sender of a repeated request has it as it was.
    """
    if re.fullmatch(KEY_PATTERN, header) is None:
        raise ProblemError(
            KEY_INVALID,
            "Idempotency-Key must hold 1 to 255 characters of visible ASCII in quotes, as in "
            'Idempotency-Key: "8e03978e-40d5-43dd-bc93-6894a57f9324". Send the request again so.',
        )
    key = re.sub(r'\\(["\\])', r"\1", header[1:-1]) if header.startswith('"') else header
    digest = hashlib.sha256(f"{method} {path}\n".encode())
    digest.update(body)
    return KeyedRequest(key, digest.digest())


def claim(connection: Connection, request: KeyedRequest) -> Answer | None:
    """Reserve a key until the transaction ends; return the answer that is kept, if there is one.

    Raises ProblemError where another transaction has it (409), or it was another request's (422).
    """
    lock = func.hashtextextended(request.key, func.hashtext("mentoring.idempotency_keys"))
    if not connection.scalar(select(func.pg_try_advisory_xact_lock(lock))):
        raise ProblemError(
            KEY_IN_FLIGHT,
            f"A request with the Idempotency-Key {request.key!r} is being carried out at this "
            f"moment. Send this one again after {RETRY_AFTER_SECONDS} s for its answer.",
            {"Retry-After": str(RETRY_AFTER_SECONDS)},
        )
    statement = select(idempotency_keys).where(
        _columns.idempotency_key == request.key, _columns.expires_at > func.now()
    )
    kept = connection.execute(statement).one_or_none()
    if kept is None:
        return None
    if kept.request_fingerprint != request.fingerprint:
        raise ProblemError(
            KEY_REUSED,
            f"The Idempotency-Key {request.key!r} was given to another request before: another "
            "method, path or body. Send this one with a key of its own.",
        )
    return Answer(
        kept.response_status, kept.response_media_type, kept.response_body, kept.response_location
    )


def keep(
    connection: Connection, request: KeyedRequest, answer: Answer, lifetime: timedelta
) -> None:
    """Write a claimed key's answer, for `lifetime` by the database's clock."""
    row = {
        _columns.request_fingerprint: request.fingerprint,
        _columns.response_status: answer.status,
        _columns.response_media_type: answer.media_type,
        _columns.response_location: answer.location,
        _columns.response_body: answer.body,
        _columns.answered_at: func.now(),
        _columns.expires_at: func.now() + lifetime,
    }
    statement = insert(idempotency_keys).values({_columns.idempotency_key: request.key, **row})
    # An expired row of the same key may be there.
    connection.execute(
        statement.on_conflict_do_update(index_elements=["idempotency_key"], set_=row)
    )
    _purge(connection)


def _purge(connection: Connection) -> None:
    """Take expired rows away. Last in its transaction, and waiting for nobody: no deadlock."""
    expired = (
        select(_columns.idempotency_key)
        .where(_columns.expires_at <= func.now())
        .order_by(_columns.expires_at)
        .limit(PURGED_AT_ONCE_MAX)
        .with_for_update(skip_locked=True)
    )
    connection.execute(delete(idempotency_keys).where(_columns.idempotency_key.in_(expired)))
