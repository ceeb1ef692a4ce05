"""What is billed, written anew from INTERFACE.md: from the events of an application to its bills.

It shares nothing with the processors, with reconciliation, or with the demo's expectation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

COMPLETED = "services.session.completed"
EVALUATED = "services.session.evaluated"
VOIDED = "services.session.voided"

BILLED_FIELDS = (
    "contractId",
    "mentorId",
    "studentId",
    "sessionType",
    "requiredEvaluation",
    "servicePackageId",
    "packageCode",
    "packageTotalSessions",
)
TERMS = ("mentorId", "contractId", "studentId", "packageCode", "packageTotalSessions")


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One committed event of a session."""

    id: str
    type: str
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Bill:
    """What the ledger must hold for one session or package, before its price."""

    kind: str
    subject: str
    mentor_id: str
    contract_id: str
    student_id: str
    price_code: str
    occurred_at: str
    source_event_id: str
    session_ids: tuple[str, ...]
    # Events that say the same as the one that counts: whichever came first may be in the ledger.
    same: frozenset[str] = frozenset()


Complaint = tuple[str, str, str]
"""An exception: its reason, its subject, the event."""


@dataclass(slots=True)
class Expectation:
    """All bills and complaints by what the events say; `contested` subjects contradict themselves.

    Of those alone the ledger may hold something else, if an open ledger_conflict says so: their
    events may have arrived in an unlucky order.
    """

    bills: dict[str, Bill] = field(default_factory=dict)
    complaints: set[Complaint] = field(default_factory=set)
    contested: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class _Counting:
    """A session as far as its events count; `occurred_at` is empty while it is not billable."""

    session_id: str
    completed: SessionEvent
    occurred_at: str = ""
    source_event_id: str = ""
    same: frozenset[str] = frozenset()


def expectation(sessions: Iterable[tuple[str, Sequence[SessionEvent]]]) -> Expectation:
    """Return what must be billed for sessions, each given with its events by ascending id."""
    expected = Expectation()
    packages: dict[str, list[_Counting]] = defaultdict(list)
    for session_id, events in sessions:
        counting = _counting(session_id, events, expected)
        if counting is None:
            continue
        package = counting.completed.payload.get("servicePackageId")
        if package is not None:
            packages[package].append(counting)
        elif counting.occurred_at:
            expected.bills[f"session/{session_id}"] = _session_bill(counting)
    for package, members in packages.items():
        _decide_package(package, members, expected)
    return expected


def _counting(
    session_id: str, events: Sequence[SessionEvent], expected: Expectation
) -> _Counting | None:
    voided = {event.payload["eventId"] for event in events if event.type == VOIDED}
    standing = [event for event in events if event.id not in voided]
    if len(standing) < len(events):
        # Sent again in another order, what was voided may be billed before it is.
        expected.contested.add(f"session/{session_id}")
    completions = [event for event in standing if event.type == COMPLETED]
    evaluations = [event for event in standing if event.type == EVALUATED]
    for several, said in ((completions, _completion), (evaluations, _evaluation)):
        for other in several[1:]:
            if said(other) != said(several[0]):
                expected.complaints.add(("session_conflict", session_id, other.id))
                expected.contested.add(f"session/{session_id}")
    if not completions:
        return None
    completed = completions[0]
    several, said, time = completions, _completion, "completedAt"
    if completed.payload["requiredEvaluation"]:
        several, said, time = evaluations, _evaluation, "evaluatedAt"
    if not several:
        return _Counting(session_id, completed)
    return _Counting(
        session_id,
        completed,
        occurred_at=instant(several[0].payload[time]),
        source_event_id=several[0].id,
        same=frozenset(event.id for event in several if said(event) == said(several[0])),
    )


def _completion(event: SessionEvent) -> tuple[Any, ...]:
    fields = [event.payload.get(name) for name in BILLED_FIELDS]
    return (*fields, instant(event.payload["completedAt"]))


def _evaluation(event: SessionEvent) -> tuple[Any, ...]:
    return (instant(event.payload["evaluatedAt"]),)


def _session_bill(session: _Counting) -> Bill:
    payload = session.completed.payload
    return Bill(
        kind="session",
        subject=session.session_id,
        mentor_id=payload["mentorId"],
        contract_id=payload["contractId"],
        student_id=payload["studentId"],
        price_code=payload["sessionType"],
        occurred_at=session.occurred_at,
        source_event_id=session.source_event_id,
        session_ids=(session.session_id,),
        same=session.same,
    )


def _decide_package(package: str, sessions: list[_Counting], expected: Expectation) -> None:
    sessions.sort(key=lambda session: session.completed.id)
    terms = [sessions[0].completed.payload[name] for name in TERMS]
    agreeing = []
    for session in sessions:
        if [session.completed.payload[name] for name in TERMS] == terms:
            agreeing.append(session)
        else:
            expected.complaints.add(("package_conflict", package, session.completed.id))
            expected.contested.add(f"package/{package}")
    billable = [session for session in agreeing if session.occurred_at]
    mentor_id, contract_id, student_id, code, total = terms
    for session in billable[total:]:
        expected.complaints.add(("package_exceeded", package, session.completed.id))
        expected.contested.add(f"package/{package}")
    members = billable[:total]
    if len(members) < total:
        return
    latest = max(members, key=lambda session: (session.occurred_at, session.session_id))
    expected.bills[f"package/{package}"] = Bill(
        kind="package",
        subject=package,
        mentor_id=mentor_id,
        contract_id=contract_id,
        student_id=student_id,
        price_code=code,
        occurred_at=latest.occurred_at,
        source_event_id=latest.source_event_id,
        session_ids=tuple(sorted(session.session_id for session in members)),
        same=latest.same,
    )


@dataclass(slots=True)
class PriceList:
    """The prices that there are; an instant is text that sorts as the instants do."""

    _steps: dict[tuple[str, str], list[tuple[str, int, str]]] = field(
        default_factory=lambda: defaultdict(list)
    )

    def add(self, rows: Iterable[tuple[str, str, int, str, str]]) -> None:
        """Take rows of mentor, code, amount, currency and from when."""
        for mentor_id, code, amount_minor, currency, effective_from in rows:
            steps = self._steps[mentor_id, code]
            steps.append((effective_from, amount_minor, currency))
            steps.sort()

    def price(self, bill: Bill) -> tuple[int, str, str] | None:
        """Return amount, currency and from when, as in force when a bill occurred."""
        steps = self._steps.get((bill.mentor_id, bill.price_code), [])
        place = bisect_right(steps, bill.occurred_at, key=lambda step: step[0])
        if place == 0:
            return None
        effective_from, amount_minor, currency = steps[place - 1]
        return amount_minor, currency, effective_from


def instant(text: str) -> str:
    """Return a time of RFC 3339 in UTC, so that the same instants are the same text."""
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def by_session(
    rows: Iterable[tuple[str, str, str, Any]],
) -> Iterator[tuple[str, list[SessionEvent]]]:
    """Gather rows (session, event id, type, payload) that come ordered by session and id."""
    session_id: str | None = None
    events: list[SessionEvent] = []
    for each, event_id, event_type, payload in rows:
        if each != session_id:
            if session_id is not None:
                yield session_id, events
            session_id, events = each, []
        events.append(SessionEvent(event_id, event_type, payload))
    if session_id is not None:
        yield session_id, events
