"""When a package is payable (INTERFACE.md, "What is billed"): a pure function of its facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stream_processors.billing.exceptions import ConflictReason, conflict_report, differences
from stream_processors.billing.payables import package_payable, withdrawn
from stream_processors.billing.sessions import session_standing

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from schemas.records import CompletedFact, ExceptionReport, Payable, PayableWithdrawn
    from stream_processors.billing.facts import SessionFacts

_TERMS = ("mentor_id", "contract_id", "student_id", "package_code", "package_total_sessions")


@dataclass(frozen=True, slots=True)
class PackageDecision:
    """What follows from a package's facts, all of it said again with each of its events."""

    owed: Payable | PayableWithdrawn | None
    reports: tuple[ExceptionReport, ...]


@dataclass(frozen=True, slots=True)
class _Member:
    """A session whose counting completed event names the package."""

    completed: CompletedFact
    # What made it billable: (event id, time); None while it waits for its evaluation.
    made_billable_by: tuple[str, datetime] | None


def decide_package(
    service_package_id: str,
    sessions: Mapping[str, SessionFacts],
) -> PackageDecision:
    """Decide from the facts of all its sessions, by session id, whether a package is payable."""
    members = sorted(_members(service_package_id, sessions.values()), key=_completed_event_id)
    if not members:
        return PackageDecision(
            owed=_withdrawn(service_package_id, sessions),
            reports=_reports(service_package_id, sessions, {}),
        )
    terms = members[0].completed
    agreeing = [member for member in members if not _conflict(member.completed, terms)]
    billable = [member for member in agreeing if member.made_billable_by is not None]
    total = terms.package_total_sessions or 0
    standing: dict[str, tuple[ConflictReason, str]] = {
        member.completed.event_id: ("package_conflict", _conflict_error(member.completed, terms))
        for member in members
        if _conflict(member.completed, terms)
    }
    for member in billable[total:]:
        standing[member.completed.event_id] = (
            "package_exceeded",
            _exceeded_error(member.completed, total),
        )
    return PackageDecision(
        owed=(
            _payable(service_package_id, terms, billable[:total])
            if len(billable) >= total
            else _withdrawn(service_package_id, sessions)
        ),
        reports=_reports(service_package_id, sessions, standing),
    )


def _members(
    service_package_id: str,
    sessions: Iterable[SessionFacts],
) -> Iterable[_Member]:
    for facts in sessions:
        standing = session_standing(facts)
        completed = standing.completed
        if completed is not None and completed.service_package_id == service_package_id:
            yield _Member(completed, standing.made_billable_by if standing.billable else None)


def _payable(
    service_package_id: str,
    terms: CompletedFact,
    members: list[_Member],
) -> Payable:
    """Bill when and by which event the latest member says; on a tie the greatest session id."""
    occurred_at, _, source_event_id = max(
        (member.made_billable_by[1], member.completed.session_id, member.made_billable_by[0])
        for member in members
        if member.made_billable_by is not None
    )
    return package_payable(
        service_package_id,
        terms.package_code or "",
        terms,
        (member.completed.session_id for member in members),
        source_event_id,
        occurred_at,
    )


def _withdrawn(
    service_package_id: str,
    sessions: Mapping[str, SessionFacts],
) -> PayableWithdrawn | None:
    """Return that nothing is owed any more; None where no subset of the facts made it payable.

    One could only where sessions enough name the package, and its events contradict each other or
    one was voided: facts that agree make it payable for good.
    """
    named = _naming(service_package_id, sessions)
    totals = [fact.package_total_sessions or 0 for fact in named]
    if not named or len({fact.session_id for fact in named}) < min(totals):
        return None
    voided = [fact.event_id for facts in sessions.values() for fact in facts.voided]
    repeated = any(len(facts.completed) > 1 for facts in sessions.values())
    if not voided and not repeated and not _contested(named):
        return None
    because = max(voided) if voided else named[0].event_id
    return withdrawn("package", service_package_id, because)


def _reports(
    service_package_id: str,
    sessions: Mapping[str, SessionFacts],
    standing: Mapping[str, tuple[ConflictReason, str]],
) -> tuple[ExceptionReport, ...]:
    """Report for each completed event of a contested package whether it is an exception.

    A package is contested when some subset of its facts could give an exception: its events
    name several terms, or more sessions than a total among them. Of any other nothing was
    ever reported, so there is nothing to withdraw.
    """
    named = _naming(service_package_id, sessions)
    if not named or not _contested(named):
        return ()
    basis = sum(len(facts) for facts in sessions.values())
    reasons: tuple[ConflictReason, ...] = ("package_conflict", "package_exceeded")
    reports: list[ExceptionReport] = []
    for fact in named:
        stands, error = standing.get(fact.event_id, (None, "no longer stands"))
        reports.extend(
            conflict_report(
                reason,
                service_package_id,
                fact,
                standing=reason == stands,
                basis=basis,
                error=error if reason == stands else "no longer stands",
            )
            for reason in reasons
        )
    return tuple(reports)


def _naming(service_package_id: str, sessions: Mapping[str, SessionFacts]) -> list[CompletedFact]:
    """Return the completed events that name the package, by event id."""
    return sorted(
        (
            fact
            for facts in sessions.values()
            for fact in facts.completed
            if fact.service_package_id == service_package_id
        ),
        key=lambda fact: fact.event_id,
    )


def _contested(named: list[CompletedFact]) -> bool:
    if any(_conflict(fact, named[0]) for fact in named):
        return True
    total = named[0].package_total_sessions or 0
    return len({fact.session_id for fact in named}) > total


def _conflict(completed: CompletedFact, terms: CompletedFact) -> list[str]:
    return differences(completed, terms, _TERMS)


def _conflict_error(completed: CompletedFact, terms: CompletedFact) -> str:
    return (
        f"session {completed.session_id} names package {completed.service_package_id} with "
        f"another {', '.join(_conflict(completed, terms))} than event {terms.event_id}, whose "
        "terms hold because its id is the smallest: void the wrong one"
    )


def _exceeded_error(completed: CompletedFact, total: int) -> str:
    return (
        f"package {completed.service_package_id} has {total} sessions and session "
        f"{completed.session_id} is one more: bill it singly or void its event"
    )


def _completed_event_id(member: _Member) -> str:
    return member.completed.event_id
