"""What the system tests let an application and finance do: plain rows, as from psql."""

import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg.types.json import Jsonb


def unique(name: str) -> str:
    """Return a name that no other test has."""
    return f"{name}-{uuid.uuid4().hex[:8]}"


def completed(session: str, contract: str, mentor: str, **changes: Any) -> dict[str, Any]:
    """Return the payload of a completed session."""
    return {
        "sessionId": session,
        "contractId": contract,
        "mentorId": mentor,
        "studentId": "student-1",
        "sessionType": "single",
        "requiredEvaluation": False,
        "completedAt": datetime.now(UTC).isoformat(),
        **changes,
    }


def record(
    owner: psycopg.Connection, payload: dict[str, Any], event_type: str = "completed"
) -> None:
    """Insert an event of a session."""
    owner.execute(
        "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
        "VALUES ('session', %s, %s, %s)",
        [payload["sessionId"], f"services.session.{event_type}", Jsonb(payload)],
    )


def price(owner: psycopg.Connection, mentor: str) -> None:
    """Say what a single session of a mentor costs."""
    owner.execute(
        "INSERT INTO mentor_prices VALUES (%s, 'single', 10000, 'USD', '2020-01-01Z')", [mentor]
    )


def billed(owner: psycopg.Connection, mentor: str) -> int:
    """Return how many bills a mentor has."""
    row = owner.execute(
        "SELECT count(*) FROM mentor_payable_ledgers WHERE mentor_id = %s", [mentor]
    ).fetchone()
    return 0 if row is None else int(row[0])


def exceptions(owner: psycopg.Connection, prefix: str) -> dict[str, int]:
    """Return how many exceptions of the sessions of a prefix have which status."""
    return dict(
        owner.execute(
            "SELECT status, count(*) FROM billing_exceptions WHERE starts_with(subject, %s) "
            "GROUP BY status",
            [prefix],
        ).fetchall()
    )
