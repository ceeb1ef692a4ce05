"""Runs the comparison: one statement in one snapshot of the database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

_HERE = Path(__file__).parent
_COMPARISON = "".join(
    (_HERE / name).read_text(encoding="utf-8")
    for name in ("expectation.sql", "ledger.sql", "verdict.sql")
)
_WITHOUT_RECEIPT = (_HERE / "without_receipt.sql").read_text(encoding="utf-8")
_STILL = "SELECT id FROM undelivered_events WHERE id = ANY(%(events)s)"


@dataclass(frozen=True, slots=True)
class Scope:
    """What is judged, and by which positions.

    `judged`: committed offset of the processors by partition of events.session. `lagging`: a later
    stage is behind. `undelivered`: events known to have been without a receipt for too long.
    """

    judged: Mapping[int, int]
    undelivered: Sequence[UUID] = ()
    lagging: bool = False
    since: datetime | None = None
    until: datetime | None = None
    details_max: int = 100


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many ended so, for one reason, and the first of them."""

    section: str
    outcome: str
    reason: str
    amount: int
    details: Sequence[Mapping[str, Any]]


def compare(connection: psycopg.Connection, scope: Scope) -> list[OutcomeCount]:
    """Compare the ledger with what the events say, in one REPEATABLE READ snapshot.

    Raises psycopg.Error where the database refuses or cannot be reached.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # Before the snapshot: a day that is dropped in between would be seen on neither side.
        connection.execute("LOCK TABLE domain_events IN ACCESS SHARE MODE")
        # The planner cannot know how many rows the steps before give, and would loop over millions.
        connection.execute("SET LOCAL enable_nestloop = off")
        connection.execute("SET LOCAL work_mem = '32MB'")
        connection.execute("SET LOCAL jit = off")
        rows = connection.execute(
            _COMPARISON,
            {
                "partitions": list(scope.judged),
                "offsets": list(scope.judged.values()),
                "undelivered": list(scope.undelivered),
                "lagging": scope.lagging,
                "since": scope.since,
                "until": scope.until,
                "details_max": scope.details_max,
            },
        ).fetchall()
    return [OutcomeCount(*row) for row in rows]


def events_without_receipt(
    connection: psycopg.Connection,
    grace_seconds: float,
    since: datetime | None = None,
    until: datetime | None = None,
) -> set[UUID]:
    """Return the ids of events created more than `grace_seconds` ago and not seen in Kafka."""
    asked = {"grace_seconds": grace_seconds, "since": since, "until": until}
    return {event_id for (event_id,) in connection.execute(_WITHOUT_RECEIPT, asked)}


def still_without_receipt(connection: psycopg.Connection, events: set[UUID]) -> set[UUID]:
    """Return those of `events` that have no receipt yet."""
    return {event_id for (event_id,) in connection.execute(_STILL, {"events": list(events)})}
