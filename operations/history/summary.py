"""Sums a chain up as a person would: how many sessions, how many bills, what the rest waits for."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from operations.history.chain import SUBJECT_EVENTS, Subject, read_chosen, read_known

COMPLETED = "services.session.completed"
_SUMMARY = SUBJECT_EVENTS + (Path(__file__).parent / "summary.sql").read_text(encoding="utf-8")
_UNBILLED_SHOWN = 20

_WAITS = {
    "waiting_evaluation": "waits for its evaluation",
    "waiting_completion": "was evaluated and waits for its completion",
    "waiting_package": "waits for its package",
    "due": "is due and not billed yet",
    "retrying": "could not be billed and is retried",
    "failed": "could not be billed: a person must look at the exception",
    "dismissed": "is not billed: a person dismissed it",
    "not_billable": "does not count toward any bill",
}


@dataclass(frozen=True, slots=True)
class Unbilled:
    """A session that no bill pays. `completed_at`: as its event says, None where there is none.

    `billing`: as in domain_event_status; `reason`: what is missing, or the last error.
    """

    session_id: str
    completed_at: str | None
    billing: str
    reason: str | None

    @property
    def waits(self) -> str:
        """What it waits for, in words."""
        return _WAITS[self.billing]

    def __str__(self) -> str:
        """Return the whole of it, for people."""
        when = "" if self.completed_at is None else f" completed {self.completed_at}"
        return f"session {self.session_id}{when} {self.waits} ({self.billing})" + (
            f": {self.reason}" if self.reason else ""
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """Of a subject: its events, its completed sessions, the bills, and the sessions without one.

    `unbilled` has the first of the `unbilled_count` ones.
    """

    events: int
    completed: int
    bills: int
    unbilled_count: int
    unbilled: Sequence[Unbilled]

    @property
    def counts(self) -> str:
        """The two numbers that are compared, in words."""
        return f"{_count(self.completed, 'session')} completed, {_count(self.bills, 'bill')}"

    def __str__(self) -> str:
        """Return all of it, for people.

        For example: 10 sessions completed, 9 bills: session s7 completed 2026-03-01T12:03:09Z waits
        for its evaluation (waiting_evaluation).
        """
        if not self.unbilled:
            return f"{self.counts}."
        left_out = self.unbilled_count - len(self.unbilled)
        shown = "; ".join(map(str, self.unbilled))
        return f"{self.counts}: {shown}" + (f"; and {left_out} more." if left_out else ".")


@dataclass(frozen=True, slots=True)
class Stretch:
    """Which part of a chain: what follows an event, and how many events; None for no bound."""

    after_at: datetime | None = None
    after_id: UUID | None = None
    events_max: int | None = None


@dataclass(frozen=True, slots=True)
class History:
    """The sum of a whole chain, and the events of a stretch of it; columns as in history.sql."""

    summary: Summary
    chain: Sequence[Mapping[str, Any]]


_WHOLE = Stretch()


def read_history(
    connection: psycopg.Connection, subject: Subject, stretch: Stretch = _WHOLE
) -> History:
    """Read both, of one moment. Raises psycopg.Error."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # Before the snapshot: a day that is dropped in between would be seen on neither side.
        connection.execute("LOCK TABLE domain_events IN ACCESS SHARE MODE")
        return _read(connection, subject, stretch)


def _read(connection: psycopg.Connection, subject: Subject, stretch: Stretch) -> History:
    values = {**asdict(subject), **asdict(stretch), "unbilled_max": _UNBILLED_SHOWN}
    with connection.cursor(row_factory=dict_row) as cursor:
        (row,) = cursor.execute(_SUMMARY, values).fetchall()
    sessions: list[str] = row["unbilled_sessions"]
    of_sessions = read_chosen(connection, sessions=sessions) if sessions else []
    summary = Summary(
        events=row["events"],
        completed=row["completed"],
        bills=row["bills"],
        unbilled_count=row["unbilled"],
        unbilled=unbilled(of_sessions, sessions),
    )
    known = dict(zip(row["stretch_ids"], row["stretch_times"], strict=True))
    return History(summary, read_known(connection, known))


def unbilled(chain: Sequence[Mapping[str, Any]], sessions: Sequence[str]) -> list[Unbilled]:
    """Say of sessions without a bill what each waits for, by the events of their chain."""
    by_session: dict[str, list[Mapping[str, Any]]] = {session: [] for session in sessions}
    for event in chain:
        by_session[event["aggregate_id"]].append(event)
    return [_unbilled(session, events) for session, events in by_session.items() if events]


def _unbilled(session_id: str, events: Sequence[Mapping[str, Any]]) -> Unbilled:
    telling = next(
        (event for event in events if event["billing"] not in {"not_billable", None}), events[0]
    )
    completed = next((event for event in events if event["event_type"] == COMPLETED), None)
    billing = telling["billing"]
    return Unbilled(
        session_id=session_id,
        completed_at=None if completed is None else completed["payload"]["completedAt"],
        billing=billing,
        reason=telling["missing"] if billing == "waiting_package" else telling["last_error"],
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
