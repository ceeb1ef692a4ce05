"""The whole of what an application has to do for its events: one INSERT in its own transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.errors import CheckViolation
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from schemas.codec import encode_event

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from schemas.records import Event

INSERT_EVENT = text(
    "INSERT INTO public.domain_events"
    " (aggregate_type, aggregate_id, event_type, payload, traceparent)"
    " VALUES (:aggregate_type, :aggregate_id, :event_type, CAST(:payload AS jsonb), :traceparent)"
)


class EventRefused(Exception):  # noqa: N818  (named as the database sees it)
    """The database refuses the event: its payload breaks the schema of its type."""

    def __init__(self, event: Event, refusal: str) -> None:
        super().__init__(
            f"The database refused {event.event_type} of {event.aggregate_type} "
            f"{event.aggregate_id!r}: {refusal}. Its transaction can't commit, so nothing of it "
            "has happened; correct the field and run the use case again."
        )


def record(session: Session, event: Event, traceparent: str | None = None) -> None:
    """Insert `event` into the outbox within the caller's transaction; never commit.

    `traceparent` is the W3C trace context of the request. Raises EventRefused for a payload that
    breaks its schema; every other fault of the database comes as SQLAlchemy raises it.
    """
    row = {
        "aggregate_type": event.aggregate_type,
        "aggregate_id": event.aggregate_id,
        "event_type": event.event_type,
        "payload": encode_event(event),
        "traceparent": traceparent,
    }
    try:
        session.execute(INSERT_EVENT, row)
    except IntegrityError as error:
        if isinstance(error.orig, CheckViolation):
            raise EventRefused(event, str(error.orig.diag.message_primary)) from error
        raise
