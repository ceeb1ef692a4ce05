"""A person decides that an event counts as absent: an event of its own, like any other."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from operations.actions import record_action
from operations.failures import ProblemError

_VOIDED = "services.session.voided"
_CAN_BE_VOIDED = ("services.session.completed", "services.session.evaluated")

_EVENT = "SELECT event_type, aggregate_id FROM recorded_events WHERE id = %(event)s"
# Of two people who void the same at once, the second sees what the first did.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('outbox void ' || %(event)s::text, 0))"
_VOIDED_BEFORE = """
    SELECT id, payload ->> 'reason'
    FROM recorded_events
    WHERE aggregate_type = 'session' AND aggregate_id = %(session)s
      AND event_type = 'services.session.voided'
      AND lower(payload ->> 'eventId') = %(event)s::text
    ORDER BY id
    LIMIT 1
"""
_VOID = """
    INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)
    VALUES ('session', %(session)s, 'services.session.voided', %(payload)s)
    RETURNING id
"""
# Those of the session's events, under the session or under a package, and of bills that pay it.
_CONCERNED = """
    SELECT id FROM billing_exceptions
    WHERE status IN ('retrying', 'failed')
      AND (subject = %(session)s AND kind = 'session'
           OR record -> 'payable' -> 'session_ids' ? %(session)s
           OR source_event_id IN (
               SELECT id FROM recorded_events
               WHERE aggregate_type = 'session' AND aggregate_id = %(session)s
           ))
    ORDER BY first_failed_at, id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Void:
    """The decision, recorded: `event_id` says that `voided_event_id` counts as absent.

    `exceptions`: open ones about the session's events, as they were when it was decided.
    """

    event_id: UUID
    voided_event_id: UUID
    session_id: str
    exceptions: list[UUID]


def void_event(
    connection: psycopg.Connection[Any], event_id: UUID, *, actor: str, reason: str
) -> Void:
    """Insert the event that voids another one of its session.

    Raises ProblemError where there is no such event, it is none that can be voided, or it is
    voided already.
    """
    with connection.transaction():
        connection.execute(_LOCK, {"event": event_id})
        session = _session_of(connection, event_id)
        payload = {"sessionId": session, "eventId": str(event_id), "reason": reason}
        (voiding,) = _one(connection, _VOID, {"session": session, "payload": Jsonb(payload)})
        concerned = open_exceptions(connection, session)
        record_action(
            connection,
            actor=actor,
            action="exceptions.void",
            subject=session,
            reason=reason,
            detail={"voided_event_id": event_id, "event_id": voiding},
        )
    return Void(
        event_id=voiding,
        voided_event_id=event_id,
        session_id=session,
        exceptions=concerned,
    )


def open_exceptions(connection: psycopg.Connection[Any], session_id: str) -> list[UUID]:
    """Return the ids of the open exceptions about a session's events, oldest first."""
    rows = connection.execute(_CONCERNED, {"session": session_id}).fetchall()
    return [exception for (exception,) in rows]


def _session_of(connection: psycopg.Connection[Any], event_id: UUID) -> str:
    event = connection.execute(_EVENT, {"event": event_id}).fetchone()
    if event is None:
        raise ProblemError(
            f"There is no event {event_id}; nothing was done. `outbox history` and `outbox "
            "exceptions list` show the ids of events."
        )
    event_type, session = event
    if event_type == _VOIDED:
        raise ProblemError(
            f"Event {event_id} is itself a decision ({_VOIDED} of session {session}), which cannot "
            "be taken back: let the application record what is right as a new event. Nothing was "
            "done."
        )
    if event_type not in _CAN_BE_VOIDED:
        raise ProblemError(
            f"Event {event_id} is a {event_type}, which no bill rests on: only completed and "
            "evaluated events of sessions can be voided. Nothing was done."
        )
    before = connection.execute(_VOIDED_BEFORE, {"session": session, "event": event_id}).fetchone()
    if before is not None:
        raise ProblemError(
            f"Event {event_id} of session {session} is voided already, by event {before[0]}: "
            f"{before[1]}. Nothing was done."
        )
    return str(session)


def _one(connection: psycopg.Connection[Any], query: str, values: dict[str, Any]) -> Any:
    row = connection.execute(query, values).fetchone()
    if row is None:
        raise TypeError("INSERT … RETURNING gave no row")
    return row
