"""Every kind of problem that the API tells: its name, status and title (RFC 9457).

Pure. The kinds of what the domain refuses follow from `producer_app.refusals`: a new refusal is one
without a word here, and a conflict with what is stored unless it is listed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from inspect import getdoc

from producer_app.refusals import (
    ContractTermsInvalid,
    ContractUnknown,
    DomainRefusal,
    SessionUnknown,
    UserUnknown,
)

_STATUS_OF_REFUSALS: dict[type[DomainRefusal], HTTPStatus] = {
    ContractUnknown: HTTPStatus.NOT_FOUND,
    SessionUnknown: HTTPStatus.NOT_FOUND,
    UserUnknown: HTTPStatus.NOT_FOUND,
    ContractTermsInvalid: HTTPStatus.UNPROCESSABLE_ENTITY,
}


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """A kind of problem; `type` is its URI, relative to the API, where it is described."""

    name: str
    status: HTTPStatus
    description: str

    @property
    def type(self) -> str:
        """Return the member `type` of its problem documents."""
        return f"/problems/{self.name}"

    @property
    def title(self) -> str:
        """Return the member `title`: the name in words."""
        return self.name.replace("-", " ").capitalize()


MALFORMED = ProblemKind(
    "body-malformed", HTTPStatus.BAD_REQUEST, "The body of the request is not JSON in UTF-8."
)
KEY_INVALID = ProblemKind(
    "idempotency-key-invalid",
    HTTPStatus.BAD_REQUEST,
    "The header Idempotency-Key holds no key: 1 to 255 characters of visible ASCII, in quotes.",
)
ORIGIN_REFUSED = ProblemKind(
    "origin-refused",
    HTTPStatus.FORBIDDEN,
    "The request was sent by a page in a browser, and the API has no users to tell apart.",
)
NOT_FOUND = ProblemKind("path-unknown", HTTPStatus.NOT_FOUND, "The API has no such path.")
METHOD_NOT_ALLOWED = ProblemKind(
    "method-not-allowed",
    HTTPStatus.METHOD_NOT_ALLOWED,
    "The path exists and takes other methods: those of the header Allow.",
)
KEY_IN_FLIGHT = ProblemKind(
    "idempotency-key-in-flight",
    HTTPStatus.CONFLICT,
    "A request with this Idempotency-Key is being carried out at this moment.",
)
TOO_LARGE = ProblemKind(
    "body-too-large",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    "The body of the request is longer than the API reads.",
)
MEDIA_TYPE_UNSUPPORTED = ProblemKind(
    "media-type-unsupported",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    "The request has a body whose Content-Type is not application/json.",
)
INVALID = ProblemKind(
    "request-invalid",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "Fields of the request are not as the API's OpenAPI document says; `errors` names each.",
)
KEY_REUSED = ProblemKind(
    "idempotency-key-reused",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The Idempotency-Key was given to another request before.",
)
EVENT_REFUSED = ProblemKind(
    "event-refused",
    HTTPStatus.UNPROCESSABLE_ENTITY,
    "The outbox refuses the event of this change: its payload breaks the event's schema.",
)
INTERNAL = ProblemKind(
    "internal-error",
    HTTPStatus.INTERNAL_SERVER_ERROR,
    "A fault of the API itself; its log has the rest under the `instance` of the problem.",
)
UNAVAILABLE = ProblemKind(
    "database-unavailable",
    HTTPStatus.SERVICE_UNAVAILABLE,
    "The database cannot be reached, or did not answer in time.",
)


def kind_of_refusal(refusal: type[DomainRefusal]) -> ProblemKind:
    """Return the kind that a refusal of the domain is told as."""
    name = re.sub("(?<!^)[A-Z]", lambda letter: "-" + letter[0], refusal.__name__).lower()
    status = _STATUS_OF_REFUSALS.get(refusal, HTTPStatus.CONFLICT)
    return ProblemKind(name, status, getdoc(refusal) or "")


PROBLEM_KINDS: dict[str, ProblemKind] = {
    kind.name: kind
    for kind in (
        *(kind_of_refusal(refusal) for refusal in DomainRefusal.__subclasses__()),
        MALFORMED,
        KEY_INVALID,
        ORIGIN_REFUSED,
        NOT_FOUND,
        METHOD_NOT_ALLOWED,
        KEY_IN_FLIGHT,
        TOO_LARGE,
        MEDIA_TYPE_UNSUPPORTED,
        INVALID,
        KEY_REUSED,
        EVENT_REFUSED,
        INTERNAL,
        UNAVAILABLE,
    )
}
