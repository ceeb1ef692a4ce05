"""Reads a chain of events, and sums it up as a person would say it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

_HERE = Path(__file__).parent
SUBJECT_EVENTS = (_HERE / "subject.sql").read_text(encoding="utf-8")
"""Names the events of a contract, session, package or mentor; the rest of a statement follows."""
HISTORY = SUBJECT_EVENTS + (_HERE / "history.sql").read_text(encoding="utf-8")
COMPLETED = "services.session.completed"
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whose history: exactly one of the four ids is set."""

    contract: str | None = None
    session: str | None = None
    package: str | None = None
    mentor: str | None = None

    def __str__(self) -> str:
        """Return what it is, for people."""
        return next(f"{name} {value}" for name, value in asdict(self).items() if value is not None)


def read_chain(connection: psycopg.Connection, subject: Subject) -> list[dict[str, Any]]:
    """Return the events in order; columns as in history.sql. Raises psycopg.Error."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(HISTORY, asdict(subject)).fetchall()


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say how many sessions were completed, how many bills there are, and what the rest wait for.

    For example: 10 sessions completed, 9 bills: session s7 completed 2026-03-01T12:03:09Z waits for
    its evaluation (waiting_evaluation).
    """
    sessions: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["aggregate_type"] == "session":
            sessions.setdefault(row["aggregate_id"], []).append(row)
    completed = [
        session_id
        for session_id, events in sessions.items()
        if any(event["event_type"] == COMPLETED for event in events)
    ]
    bills = {row["ledger_id"] for row in rows if row["ledger_id"] is not None}
    unbilled = [
        _unbilled(session_id, events)
        for session_id, events in sessions.items()
        if all(event["ledger_id"] is None for event in events)
    ]
    text = f"{_count(len(completed), 'session')} completed, {_count(len(bills), 'bill')}"
    if not unbilled:
        return f"{text}."
    shown = "; ".join(unbilled[:_UNBILLED_SHOWN])
    left_out = len(unbilled) - _UNBILLED_SHOWN
    return f"{text}: {shown}" + (f"; and {left_out} more." if left_out > 0 else ".")


def _unbilled(session_id: str, events: Sequence[Mapping[str, Any]]) -> str:
    """Say of a session without a bill what it waits for."""
    telling = next(
        (event for event in events if event["billing"] not in {"not_billable", None}), events[0]
    )
    completed = next((event for event in events if event["event_type"] == COMPLETED), None)
    when = "" if completed is None else f" completed {completed['payload']['completedAt']}"
    billing = telling["billing"]
    missing = telling["missing"] if billing == "waiting_package" else telling["last_error"]
    return f"session {session_id}{when} {_WAITS[billing]} ({billing})" + (
        f": {missing}" if missing else ""
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
