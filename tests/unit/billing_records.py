"""Facts and events for tests of the billing rules, each with only what the test is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.records import CompletedFact, EvaluatedFact, VoidedFact
from stream_processors.billing.facts import Fact, SessionFacts, gather, gather_by_session
from stream_processors.billing.packages import PackageDecision, decide_package
from stream_processors.billing.sessions import SessionDecision, decide_session

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def event_id(number: int) -> str:
    """Return the id of the `number`th event: a greater number is a greater id."""
    return f"0197f2d0-0000-7000-8000-{number:012x}"


def at(minutes: float) -> datetime:
    """Return the time so many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def completed(number: int, session_id: str = "session-1", **changes: Any) -> CompletedFact:
    """Return that a session completed, by itself and with nothing to evaluate."""
    fact = CompletedFact(
        event_id=event_id(number),
        session_id=session_id,
        contract_id="contract-1",
        mentor_id="mentor-1",
        student_id="student-1",
        session_type="single",
        required_evaluation=False,
        completed_at=NOON,
    )
    return replace(fact, **changes)


def in_package(
    number: int, session_id: str = "session-1", total: int = 2, **changes: Any
) -> CompletedFact:
    """Return that a session of package-1 completed."""
    package = {
        "service_package_id": "package-1",
        "package_code": "course",
        "package_total_sessions": total,
    }
    return completed(number, session_id, **{**package, **changes})


def evaluated(number: int, session_id: str = "session-1", minutes: float = 30) -> EvaluatedFact:
    return EvaluatedFact(event_id(number), session_id, at(minutes))


def voided(number: int, named: int, session_id: str = "session-1") -> VoidedFact:
    """Return that a person decided that event `named` of this session counts as absent."""
    return VoidedFact(event_id(number), session_id, event_id(named), "entered twice")


def decide(*facts: Fact) -> SessionDecision:
    """Decide on one session."""
    return decide_session(gather(facts))


def decide_on_package(*facts: Fact, service_package_id: str = "package-1") -> PackageDecision:
    """Decide on one package."""
    return decide_package(service_package_id, gather_by_session(facts))


def session_facts(*facts: Fact) -> SessionFacts:
    return gather(facts)


def standing(decision: SessionDecision | PackageDecision) -> set[tuple[str, str]]:
    """Return reason and event of each exception that a decision reports to stand."""
    return {
        (report.reason, report.source_event_id or "")
        for report in decision.reports
        if report.standing
    }
