"""Runs the comparison: in one snapshot of the database."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg

from operations.reconcile.touched import touched

_HERE = Path(__file__).parent
_EVERYTHING, _WINDOW, _FIGURES, _RESEND, _WITHOUT_RECEIPT = (
    (_HERE / f"{name}.sql").read_text(encoding="utf-8")
    for name in ("everything", "window", "figures", "resend", "without_receipt")
)
_COMPARISON = "".join(
    (_HERE / f"{name}.sql").read_text(encoding="utf-8")
    for name in ("expectation", "pairs", "ledger", "decisions", "verdict")
)
_STILL = "SELECT id FROM undelivered_events WHERE id = ANY(%(events)s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    """After how many days a wait is overdue, by what is waited for."""

    completion_days_max: float = 1
    evaluation_days_max: float = 14
    package_days_max: float = 365


@dataclass(frozen=True, slots=True)
class Scope:
    """What is judged, and by which positions.

    `judged`: committed offset of the processors by partition of events.session, which ended at
    `ends` when the database's clock said `asked_at` or later. `lagging`: a later stage is behind.
    `undelivered`: events known to have been without a receipt for too long. A window that touches
    more than `sessions_max` sessions is reconciled by reading everything, which is quicker then.
    """

    judged: Mapping[int, int]
    undelivered: Sequence[UUID] = ()
    lagging: bool = False
    since: datetime | None = None
    until: datetime | None = None
    ends: Mapping[int, int] = field(default_factory=dict)
    asked_at: datetime | None = None
    grace_seconds: float = 0
    waits: Waits = field(default_factory=Waits)
    details_max: int = 100
    sessions_max: int = 200_000


@dataclass(frozen=True, slots=True)
class OutcomeCount:
    """How many ended so on one day (UTC), for one reason, and some of them.

    `first_at`: the time to which the earliest of them belongs.
    """

    section: str
    outcome: str
    reason: str
    first_at: datetime
    amount: int
    details: Sequence[Mapping[str, Any]]

    @property
    def day(self) -> date:
        """The day (UTC) of all of them."""
        return self.first_at.astimezone(UTC).date()


def compare(connection: psycopg.Connection, scope: Scope) -> list[OutcomeCount]:
    """Compare the ledger with what the events say, in one REPEATABLE READ snapshot.

    Raises psycopg.Error where the database refuses or cannot be reached.
    """
    with _compared(connection, scope, _FIGURES) as rows:
        return [OutcomeCount(*row) for row in rows]


def events_to_send_again(connection: psycopg.Connection, scope: Scope) -> list[UUID]:
    """Return the events that the scope calls undelivered, and all events of each missing bill."""
    with _compared(connection, scope, _RESEND) as rows:
        return [event_id for (event_id,) in rows]


@contextmanager
def _compared(
    connection: psycopg.Connection, scope: Scope, conclusion: str
) -> Iterator[psycopg.Cursor]:
    since, until = _infinite(scope.since, "-"), _infinite(scope.until, "")
    parameters: dict[str, Any] = {
        "partitions": list(scope.judged),
        "offsets": list(scope.judged.values()),
        "ends": [scope.ends.get(partition) for partition in scope.judged],
        "asked_at": scope.asked_at,
        "undelivered": list(scope.undelivered),
        "lagging": scope.lagging,
        "since": since,
        "until": until,
        "grace_seconds": scope.grace_seconds,
        "completion_days_max": scope.waits.completion_days_max,
        "evaluation_days_max": scope.waits.evaluation_days_max,
        "package_days_max": scope.waits.package_days_max,
        "details_max": scope.details_max,
    }
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # Before the snapshot: a day that is dropped in between would be seen on neither side.
        connection.execute("LOCK TABLE domain_events IN ACCESS SHARE MODE")
        connection.execute("SET LOCAL work_mem = '32MB'")
        connection.execute("SET LOCAL jit = off")
        reading = _EVERYTHING
        if scope.since is not None:
            window = touched(connection, since, until, scope.sessions_max)
            if window is not None:
                reading = _WINDOW
                parameters["sessions"] = window.sessions
                parameters["contracts"] = window.contracts
                parameters["entries"] = window.entries
        # The planner cannot know how many rows the steps before give, and would loop over millions.
        connection.execute("SET LOCAL enable_nestloop = off")
        yield connection.execute(reading + _COMPARISON + conclusion, parameters)


def _infinite(time: datetime | None, sign: str) -> str:
    return f"{sign}infinity" if time is None else time.isoformat()


def events_without_receipt(
    connection: psycopg.Connection,
    grace_seconds: float,
    since: datetime | None = None,
    until: datetime | None = None,
) -> set[UUID]:
    """Return the ids of events created more than `grace_seconds` ago and not seen in Kafka."""
    asked = {
        "grace_seconds": grace_seconds,
        "since": _infinite(since, "-"),
        "until": _infinite(until, ""),
    }
    return {event_id for (event_id,) in connection.execute(_WITHOUT_RECEIPT, asked)}


def still_without_receipt(connection: psycopg.Connection, events: set[UUID]) -> set[UUID]:
    """Return those of `events` that have no receipt yet."""
    return {event_id for (event_id,) in connection.execute(_STILL, {"events": list(events)})}
