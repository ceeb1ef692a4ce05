"""Problem documents (RFC 9457): how every error of the API is told, and how it came about."""

import logging
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from producer_app.api import problem_kinds
from producer_app.api.body_limit import BODY_BYTES_MAX
from producer_app.api.problem_kinds import ProblemKind, kind_of_refusal
from producer_app.outbox import EventRefused
from producer_app.refusals import DomainRefusal

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2

_log = logging.getLogger("uvicorn.error")

UNAVAILABLE_ERRORS = (OperationalError, InterfaceError, PoolTimeoutError)
"""What SQLAlchemy raises where the database can't be reached, or takes too long."""


class FieldFault(BaseModel):
    """One field of a request that is not as it must be."""

    place: Literal["body", "path", "header"]
    pointer: str = Field(description="The field as a JSON pointer within its place.")
    detail: str


class Problem(BaseModel):
    """Why a request was not carried out: a problem document of RFC 9457."""

    type: str = Field(description="A URI relative to the API; GET it for the kind's description.")
    title: str
    status: int
    detail: str = Field(description="What happened, to what, and what to do next.")
    instance: str | None = Field(default=None, description="This occurrence, in the API's log.")
    errors: list[FieldFault] | None = None


class ProblemError(Exception):
    """A problem of the request itself, told with its kind, its detail and further headers."""

    def __init__(
        self, kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers


def document(kind: ProblemKind, detail: str, **members: Any) -> bytes:
    """Return the JSON of a problem, without the members it does not have."""
    problem = Problem(
        type=kind.type, title=kind.title, status=kind.status, detail=detail, **members
    )
    return problem.model_dump_json(exclude_none=True).encode()


def told_refusal(refusal: DomainRefusal | EventRefused) -> tuple[int, bytes]:
    """Return status and document of what the domain, or the database's payload check, refuses."""
    if isinstance(refusal, EventRefused):
        kind = problem_kinds.EVENT_REFUSED
    else:
        kind = kind_of_refusal(type(refusal))
    return kind.status, document(kind, str(refusal))


def install_handlers(application: FastAPI) -> None:
    """Have every error of `application` answered with a problem document."""
    add = application.add_exception_handler
    add(ProblemError, _problem)
    for refused in (DomainRefusal, EventRefused):
        add(refused, _refused)
    add(RequestValidationError, _invalid)
    add(HTTPException, _http_error)
    for unavailable in UNAVAILABLE_ERRORS:
        add(unavailable, _unavailable)
    add(Exception, _internal_error)


def _answer(
    kind: ProblemKind, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    return Response(
        document(kind, detail, **members), kind.status, headers=headers, media_type=MEDIA_TYPE
    )


def _problem(_: Request, error: Any) -> Response:
    return _answer(error.kind, error.detail, error.headers)


def _refused(_: Request, refusal: Any) -> Response:
    status, content = told_refusal(refusal)
    return Response(content, status, media_type=MEDIA_TYPE)


def _invalid(_: Request, error: Any) -> Response:
    found: Sequence[Mapping[str, Any]] = error.errors()
    malformed = [fault for fault in found if fault["type"] == "json_invalid"]
    if malformed:
        return _malformed(f"{malformed[0]['ctx']['error']} at character {malformed[0]['loc'][-1]}")
    faults = [_field_fault(fault) for fault in found]
    told = "; ".join(f"{fault.place}{fault.pointer}: {fault.detail}" for fault in faults)
    detail = f"The request was not carried out. {told}. Correct it and send the request again."
    return _answer(problem_kinds.INVALID, detail, errors=faults)


def _field_fault(fault: Mapping[str, Any]) -> FieldFault:
    """Return a fault of pydantic's without the input, which may be anything, and of any length."""
    place, *path = fault["loc"]
    # A name that the caller chose may hold what JSON in UTF-8 can't: half of a surrogate pair.
    names = [str(part).encode("utf-8", "replace").decode()[:100] for part in path]
    pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
    detail = fault["msg"].removeprefix("Value error, ")
    return FieldFault(place=place, pointer=pointer, detail=detail[:1].lower() + detail[1:])


def _malformed(fault: str) -> Response:
    detail = f"The body is not JSON in UTF-8: {fault}. Correct it and send the request again."
    return _answer(problem_kinds.MALFORMED, detail)


def _http_error(request: Request, error: Any) -> Response:
    """Answer what the framework found out about a request: its path, its method, its body."""
    path = request.url.path
    match error.status_code:
        case 400:
            return _malformed("it can't be read")
        case 404:
            detail = f"Nothing is at {path}. The paths that there are stand in /openapi.json."
            return _answer(problem_kinds.NOT_FOUND, detail)
        case 405:
            allowed = error.headers["Allow"]
            detail = f"{path} does not take {request.method}. Use one of: {allowed}."
            return _answer(problem_kinds.METHOD_NOT_ALLOWED, detail, error.headers)
        case 413:
            detail = (
                f"The body has more than {BODY_BYTES_MAX} bytes, which is all that is read. Send "
                "less: a contract of many services as several contracts."
            )
            return _answer(problem_kinds.TOO_LARGE, detail)
        case _:
            raise error


def _unavailable(request: Request, error: Exception) -> Response:
    _log.warning("%s %s: the database is unavailable: %s", request.method, request.url.path, error)
    detail = (
        "The database cannot be reached or did not answer in time. Send the same request again "
        f"after {RETRY_AFTER_SECONDS} s"
    )
    if request.method == "POST":
        detail += (
            ", with the same Idempotency-Key where it had one: whether the change was made is "
            "open, and it is not made twice"
        )
    detail += "."
    return _answer(problem_kinds.UNAVAILABLE, detail, {"Retry-After": str(RETRY_AFTER_SECONDS)})


def _internal_error(request: Request, error: Exception) -> Response:
    instance = f"urn:uuid:{uuid.uuid4()}"
    _log.error("%s %s failed, %s: %r", request.method, request.url.path, instance, error)
    detail = (
        "The API failed at this request, and what it had begun was taken back. Its log says why, "
        f"under {instance}: tell it to whoever runs the API."
    )
    # The error goes on to uvicorn, which logs it and closes the connection: who keeps it for the
    # next request must know.
    headers = {"Connection": "close"}
    return _answer(problem_kinds.INTERNAL, detail, headers, instance=instance)
