"""When a session is payable (INTERFACE.md, "What is billed"): pure functions of its facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from schemas.records import (
    CompletedFact,
    EvaluatedFact,
    ExceptionReport,
    PackageSession,
    Payable,
    PayableWithdrawn,
)
from stream_processors.billing.exceptions import conflict_report, differences
from stream_processors.billing.payables import session_payable, withdrawn

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from stream_processors.billing.facts import SessionFacts

Repeatable = TypeVar("Repeatable", CompletedFact, EvaluatedFact)

_COMPLETED_BILLING_FIELDS = (
    "contract_id",
    "mentor_id",
    "student_id",
    "session_type",
    "required_evaluation",
    "completed_at",
    "service_package_id",
    "package_code",
    "package_total_sessions",
)
_EVALUATED_BILLING_FIELDS = ("evaluated_at",)


@dataclass(frozen=True, slots=True)
class SessionStanding:
    """The events of a session that count: of each kind the one with the smallest id, if any."""

    completed: CompletedFact | None
    evaluated: EvaluatedFact | None

    @property
    def billable(self) -> bool:
        """Whether the session is owed for, by itself or toward its package."""
        if self.completed is None:
            return False
        return self.evaluated is not None or not self.completed.required_evaluation

    @property
    def made_billable_by(self) -> tuple[str, datetime]:
        """The id and the time of the event that made a billable session so."""
        if self.completed is None or not self.billable:
            raise ValueError(f"nothing made the session of {self} billable")
        if self.completed.required_evaluation and self.evaluated is not None:
            return self.evaluated.event_id, self.evaluated.evaluated_at
        return self.completed.event_id, self.completed.completed_at


@dataclass(frozen=True, slots=True)
class SessionDecision:
    """What follows from a session's facts, all of it said again with each of its events."""

    owed: Payable | PayableWithdrawn | None
    package_sessions: tuple[PackageSession, ...]
    reports: tuple[ExceptionReport, ...]


def session_standing(facts: SessionFacts) -> SessionStanding:
    """Return which events of a session count; a voided one counts as absent."""
    voided = voided_event_ids(facts)
    return SessionStanding(
        completed=_first(facts.completed, voided),
        evaluated=_first(facts.evaluated, voided),
    )


def voided_event_ids(facts: SessionFacts) -> frozenset[str]:
    """Return the ids of the events that a person decided to count as absent."""
    return frozenset(fact.voided_event_id for fact in facts.voided)


def decide_session(facts: SessionFacts) -> SessionDecision:
    """Decide what one session's facts make payable, tell its packages, and report conflicts."""
    standing = session_standing(facts)
    completed = standing.completed
    return SessionDecision(
        owed=_owed(facts, standing),
        package_sessions=tuple(package_sessions(facts)),
        reports=(
            *_conflicts(facts, facts.completed, completed, _COMPLETED_BILLING_FIELDS),
            *_conflicts(facts, facts.evaluated, standing.evaluated, _EVALUATED_BILLING_FIELDS),
        ),
    )


def _owed(facts: SessionFacts, standing: SessionStanding) -> Payable | PayableWithdrawn | None:
    """Return what is owed for the session by itself; None if nothing ever was."""
    completed = standing.completed
    if completed is not None and completed.service_package_id is None and standing.billable:
        return session_payable(completed, *standing.made_billable_by)
    for fact in facts.completed:
        # Known without the others, this event made it payable.
        if fact.service_package_id is None and (facts.evaluated or not fact.required_evaluation):
            because = facts.voided[-1] if facts.voided else facts.completed[0]
            return withdrawn("session", fact.session_id, because.event_id)
    return None


def _first(
    events: tuple[Repeatable, ...],
    voided: frozenset[str],
) -> Repeatable | None:
    return next((event for event in events if event.event_id not in voided), None)


def package_sessions(facts: SessionFacts) -> Iterable[PackageSession]:
    """Tell every package that any completed event names all that is known of the session.

    A package is told facts, not the conclusion that the session is a member: so it can learn
    later that another event of the session counts, or that a person voided one.
    """
    packages = {fact.service_package_id for fact in facts.completed} - {None}
    for service_package_id in sorted(package for package in packages if package is not None):
        yield PackageSession(
            service_package_id=service_package_id,
            session_id=facts.completed[0].session_id,
            completed=facts.completed,
            evaluated=facts.evaluated,
            voided=facts.voided,
        )


def _conflicts(
    facts: SessionFacts,
    events: tuple[Repeatable, ...],
    counting: Repeatable | None,
    billing_fields: tuple[str, ...],
) -> Iterable[ExceptionReport]:
    """Report for each of several events of one kind whether it contradicts the one that counts.

    One that says the same is reported as not standing: before an event with a smaller id came,
    it may have contradicted another one.
    """
    if len(events) == 1:
        return
    voided = voided_event_ids(facts)
    for event in events:
        different = (
            []
            if counting is None or event.event_id in voided
            else differences(event, counting, billing_fields)
        )
        yield conflict_report(
            "session_conflict",
            event.session_id,
            event,
            standing=bool(different),
            basis=len(facts),
            error=(
                f"session {event.session_id}: event {event.event_id} differs in "
                f"{', '.join(different)} from event {counting.event_id}, which counts because "
                "its id is smaller: void the wrong one"
                if different and counting is not None
                else "agrees with the event that counts, or was voided"
            ),
        )
