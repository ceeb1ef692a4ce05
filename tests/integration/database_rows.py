"""Rows for database tests, written as plain SQL: events, receipts, entries, exceptions."""

import itertools
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

COMPLETED = "services.session.completed"
EVALUATED = "services.session.evaluated"
VOIDED = "services.session.voided"
NOON = "2026-03-01T12:00:00Z"

_offsets = itertools.count()


@dataclass(frozen=True, slots=True)
class InsertedEvent:
    id: uuid.UUID
    created_at: datetime


def completed_payload(session_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "sessionId": session_id,
        "contractId": "contract-1",
        "mentorId": "mentor-1",
        "studentId": "student-1",
        "sessionType": "standard",
        "requiredEvaluation": False,
        "completedAt": NOON,
        **changes,
    }


def package_payload(session_id: str, total: int, **changes: Any) -> dict[str, Any]:
    package = {
        "servicePackageId": "package-1",
        "packageCode": "course",
        "packageTotalSessions": total,
    }
    return completed_payload(session_id, **package, **changes)


def insert_event(
    connection: psycopg.Connection,
    event_type: str,
    payload: dict[str, Any],
    aggregate_type: str = "session",
    aggregate_id: str | None = None,
) -> InsertedEvent:
    row = connection.execute(
        "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
        "VALUES (%s, %s, %s, %s) RETURNING id, created_at",
        [aggregate_type, aggregate_id or payload["sessionId"], event_type, Jsonb(payload)],
    ).fetchone()
    assert row is not None
    return InsertedEvent(*row)


def complete(connection: psycopg.Connection, session_id: str, **changes: Any) -> InsertedEvent:
    return insert_event(connection, COMPLETED, completed_payload(session_id, **changes))


def evaluate(connection: psycopg.Connection, session_id: str) -> InsertedEvent:
    return insert_event(connection, EVALUATED, {"sessionId": session_id, "evaluatedAt": NOON})


def void(connection: psycopg.Connection, session_id: str, event: InsertedEvent) -> InsertedEvent:
    payload = {"sessionId": session_id, "eventId": str(event.id).upper(), "reason": "entered twice"}
    return insert_event(connection, VOIDED, payload)


def deliver(connection: psycopg.Connection, event: InsertedEvent) -> None:
    connection.execute(
        "INSERT INTO domain_event_deliveries "
        '(event_id, event_created_at, topic, partition, "offset") '
        "VALUES (%s, %s, 'events.session', 0, %s)",
        [event.id, event.created_at, next(_offsets)],
    )


def exception_statuses(connection: psycopg.Connection) -> dict[str, int]:
    """How many exceptions there are of each status."""
    rows = connection.execute("SELECT status, count(*) FROM billing_exceptions GROUP BY status")
    return dict(rows.fetchall())


def insert_entry(connection: psycopg.Connection, **changes: Any) -> uuid.UUID:
    """Insert a ledger entry for session-1 of 100.00 USD, with changed columns; return its id."""
    columns: dict[str, Any] = {
        "id": uuid.uuid4(),
        "kind": "session",
        "mentor_id": "mentor-1",
        "contract_id": "contract-1",
        "student_id": "student-1",
        "session_id": "session-1",
        "service_package_id": None,
        "amount_minor": 10_000,
        "currency": "USD",
        "price_effective_from": NOON,
        "occurred_at": NOON,
        "source_event_id": uuid.uuid4(),
        **changes,
    }
    names = ", ".join(columns)
    values = ", ".join(["%s"] * len(columns))
    connection.execute(
        f"INSERT INTO mentor_payable_ledgers ({names}) VALUES ({values})",
        list(columns.values()),
    )
    entry_id: uuid.UUID = columns["id"]
    return entry_id


def reverse(connection: psycopg.Connection, entry_id: uuid.UUID, **changes: Any) -> uuid.UUID:
    """Insert the reversal of an entry made by insert_entry; give it the same changes."""
    amount = -changes.get("amount_minor", 10_000)
    return insert_entry(
        connection, **{**changes, "kind": "reversal", "amount_minor": amount, "reverses": entry_id}
    )


def pay(connection: psycopg.Connection, entry_id: uuid.UUID, session_id: str) -> int:
    """Let an entry pay a session; return the revision that the database gave it."""
    row = connection.execute(
        "INSERT INTO ledger_entry_sessions (entry_id, session_id) VALUES (%s, %s) "
        "RETURNING revision",
        [entry_id, session_id],
    ).fetchone()
    assert row is not None
    revision: int = row[0]
    return revision


def insert_exception(connection: psycopg.Connection, **changes: Any) -> uuid.UUID:
    """Insert a failed exception of no event, with changed columns; return its id."""
    columns: dict[str, Any] = {
        "id": uuid.uuid4(),
        "reason": "price_missing",
        "status": "failed",
        "attempts": 4,
        "last_error": "no price",
        "subject": "session-1",
        "record": Jsonb({}),
        **changes,
    }
    names = ", ".join(columns)
    values = ", ".join(["%s"] * len(columns))
    connection.execute(
        f"INSERT INTO billing_exceptions ({names}) VALUES ({values})",
        list(columns.values()),
    )
    exception_id: uuid.UUID = columns["id"]
    return exception_id


def column(connection: psycopg.Connection, name: str, event: InsertedEvent) -> Any:
    """Return one column of an event in domain_event_status."""
    row = connection.execute(
        f"SELECT {name} FROM domain_event_status WHERE id = %s", [event.id]
    ).fetchone()
    assert row is not None
    return row[0]
