"""How a request becomes one transaction: its key, its use case and its answer, all or nothing."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Header, Request
from pydantic import BaseModel, WithJsonSchema
from sqlalchemy import Engine
from starlette.responses import Response

from producer_app.api import problems
from producer_app.api.idempotency import (
    KEY_PATTERN,
    Answer,
    KeyedRequest,
    claim,
    keep,
    keyed_request,
)
from producer_app.api.problem_kinds import MEDIA_TYPE_UNSUPPORTED, ORIGIN_REFUSED
from producer_app.outbox import EventRefused
from producer_app.refusals import DomainRefusal
from producer_app.service import MentoringService

JSON = "application/json"

_TRACEPARENT = re.compile(
    "(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


@dataclass(frozen=True, slots=True)
class Database:
    """What all requests share: the pool of connections, and how long answers are kept."""

    engine: Engine
    answers_kept: timedelta


@dataclass(frozen=True, slots=True)
class Done:
    """What a use case came to: the representation to answer with, and where a new one lies."""

    representation: BaseModel
    location: str | None = None


UseCase = Callable[[MentoringService, datetime], Done]
"""Carries out a request, at the time given, by the clock of the application."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One request that changes something, before its use case is known."""

    database: Database
    keyed: KeyedRequest | None
    traceparent: str | None

    def run(self, use_case: UseCase) -> Response:
        """Carry out and answer; an answer that its key has already is given without either.

        What the domain refuses is an answer, too, and kept: a request that was told "no" does not
        succeed when a copy of it arrives late. Raises ProblemError for a key that is in use, and
        SQLAlchemy's errors; then nothing is kept.
        """
        with self.database.engine.begin() as connection:
            if self.keyed is not None:
                kept = claim(connection, self.keyed)
                if kept is not None:
                    return _response(kept)
            service = MentoringService(connection, traceparent=self.traceparent)
            answer = _carried_out(use_case, service)
            if self.keyed is not None:
                keep(connection, self.keyed, answer, self.database.answers_kept)
        return _response(answer)


async def _execution(
    request: Request,
    idempotency_key: Annotated[
        str | None,
        WithJsonSchema({"type": "string", "pattern": KEY_PATTERN}),
        Header(
            alias="Idempotency-Key",
            description="The sender's name for this request, in quotes: sent again with the same "
            "name it has the same answer, and no second effect.",
        ),
    ] = None,
    traceparent: Annotated[
        str | None,
        WithJsonSchema({"type": "string"}),
        Header(description="W3C trace context; the events of the request carry it."),
    ] = None,
) -> Execution:
    _require_no_page(request)
    body = await request.body()
    if body:
        _require_json(request)
    keyed = None
    if idempotency_key is not None:
        keyed = keyed_request(idempotency_key, request.method, request.url.path, body)
    return Execution(request.app.state.database, keyed, _sound_traceparent(traceparent))


Executing = Annotated[Execution, Depends(_execution)]


def _reading(request: Request) -> MentoringService:
    return MentoringService(request.app.state.database.engine)


Reading = Annotated[MentoringService, Depends(_reading)]


def _carried_out(use_case: UseCase, service: MentoringService) -> Answer:
    try:
        done = use_case(service, datetime.now(UTC))
    except (DomainRefusal, EventRefused) as refusal:
        status, content = problems.told_refusal(refusal)
        return Answer(status, problems.MEDIA_TYPE, content)
    status = 200 if done.location is None else 201
    return Answer(status, JSON, done.representation.model_dump_json().encode(), done.location)


def _response(answer: Answer) -> Response:
    headers = {} if answer.location is None else {"Location": answer.location}
    return Response(answer.body, answer.status, headers, answer.media_type)


def _require_no_page(request: Request) -> None:
    """Refuse what a browser sends for a page: any page may send a change to loopback."""
    origin = request.headers.get("Origin")
    if origin is not None:
        raise problems.ProblemError(
            ORIGIN_REFUSED,
            f"The change was sent by a page of {origin!r}, and is not carried out. Send it from a "
            "program, without the header Origin.",
        )


def _require_json(request: Request) -> None:
    content_type = request.headers.get("Content-Type", "")
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise problems.ProblemError(
            MEDIA_TYPE_UNSUPPORTED,
            f"The body is sent as {content_type or 'nothing'!r}. Send JSON, and the header "
            f"Content-Type: {JSON}.",
            {"Accept": JSON},
        )


def _sound_traceparent(header: str | None) -> str | None:
    """Return a trace context as the W3C writes it; another one begins no trace, and is no error."""
    if header is None or _TRACEPARENT.fullmatch(header) is None:
        return None
    return header
