"""The rules of billing once more, naively, read off INTERFACE.md ("What is billed").

On purpose it shares nothing with stream_processors.billing: not its records, not its functions.
Events are plain tuples of the history that a property test makes up.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

LEDGER_IDS = uuid.UUID("6f1c2f5e-9a39-5c1e-8a55-0b6f6a2d7c11")


class Happened(NamedTuple):
    """An event of a history; what its kind does not have is None."""

    id: str
    kind: str  # completed, evaluated, voided
    session: str
    time: datetime | None = None
    mentor: str | None = None
    type: str | None = None
    evaluation_required: bool | None = None
    package: str | None = None
    code: str | None = None
    total: int | None = None
    names: str | None = None  # the event that a voided event names


class Owed(NamedTuple):
    """A bill to be, without what all sessions of a history have in common."""

    ledger_id: str
    mentor: str | None
    price_code: str | None
    occurred_at: datetime
    source: str
    sessions: tuple[str, ...]


Exceptional = tuple[str, str, str]  # reason, subject, event


def expect(history: Sequence[Happened]) -> tuple[set[Owed], set[Exceptional]]:
    """Return what is owed for a history, and which exceptions stand."""
    owed: set[Owed] = set()
    exceptions: set[Exceptional] = set()
    counting: dict[str, tuple[Happened, tuple[datetime, str] | None]] = {}
    for session in {event.session for event in history}:
        completed, billable = _settle_session(session, history, exceptions)
        if completed is None:
            continue
        counting[session] = (completed, billable)
        if completed.package is None and billable is not None:
            owed.add(
                Owed(
                    str(uuid.uuid5(LEDGER_IDS, f"session/{session}")),
                    completed.mentor,
                    completed.type,
                    *billable,
                    (session,),
                )
            )
    for package in {event.package for event in history if event.package is not None}:
        members = [pair for pair in counting.values() if pair[0].package == package]
        _settle_package(package, sorted(members), owed, exceptions)
    return owed, exceptions


def _settle_session(
    session: str, history: Sequence[Happened], exceptions: set[Exceptional]
) -> tuple[Happened | None, tuple[datetime, str] | None]:
    mine = [event for event in history if event.session == session]
    absent = {event.names for event in mine if event.kind == "voided"}
    first: dict[str, Happened] = {}
    for event in sorted(mine):
        if event.kind == "voided" or event.id in absent:
            continue
        counts = first.setdefault(event.kind, event)
        if event[1:] != counts[1:]:
            exceptions.add(("session_conflict", session, event.id))
    completed, evaluated = first.get("completed"), first.get("evaluated")
    if completed is None:
        return None, None
    makes_billable = evaluated if completed.evaluation_required else completed
    if makes_billable is None:
        return completed, None
    assert makes_billable.time is not None
    return completed, (makes_billable.time, makes_billable.id)


def _settle_package(
    package: str,
    members: list[tuple[Happened, tuple[datetime, str] | None]],
    owed: set[Owed],
    exceptions: set[Exceptional],
) -> None:
    paid: list[tuple[datetime, str, str]] = []
    for completed, billable in members:
        terms = members[0][0]
        total = terms.total or 0
        if (completed.mentor, completed.code, completed.total) != (
            terms.mentor, terms.code, terms.total,
        ):  # fmt: skip
            exceptions.add(("package_conflict", package, completed.id))
        elif billable is not None and len(paid) == total:
            exceptions.add(("package_exceeded", package, completed.id))
        elif billable is not None:
            paid.append((billable[0], completed.session, billable[1]))
    if members and len(paid) == members[0][0].total:
        terms = members[0][0]
        occurred_at, _, source = max(paid)
        sessions = tuple(sorted(session for _, session, _ in paid))
        ledger_id = str(uuid.uuid5(LEDGER_IDS, f"package/{package}"))
        owed.add(Owed(ledger_id, terms.mentor, terms.code, occurred_at, source, sessions))
