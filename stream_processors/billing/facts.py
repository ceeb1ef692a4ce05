"""What is known about a session: facts that only grow, keyed so that none can overwrite another.

A state table never holds a conclusion. What is payable is decided from the set of facts,
so the order of arrival, duplicates, replays and a late writer cannot change it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schemas.records import (
    CompletedFact,
    EvaluatedFact,
    SessionCompleted,
    SessionEvaluated,
    SessionVoided,
    VoidedFact,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Fact = CompletedFact | EvaluatedFact | VoidedFact
SessionEvent = SessionCompleted | SessionEvaluated | SessionVoided

# PostgreSQL text cannot hold NUL and the codec refuses it,
# so no id can imitate the prefix of another.
SEPARATOR = "\0"

# As they stand in the keys of facts.
FACT_KINDS: dict[str, type[Fact]] = {
    "completed": CompletedFact,
    "evaluated": EvaluatedFact,
    "voided": VoidedFact,
}
_KIND = {fact_type: kind for kind, fact_type in FACT_KINDS.items()}


@dataclass(frozen=True, slots=True)
class SessionFacts:
    """All facts known about one session, each kind in the order of its event ids."""

    completed: tuple[CompletedFact, ...] = ()
    evaluated: tuple[EvaluatedFact, ...] = ()
    voided: tuple[VoidedFact, ...] = ()

    def __len__(self) -> int:
        return len(self.completed) + len(self.evaluated) + len(self.voided)

    def __iter__(self) -> Iterator[Fact]:
        yield from self.completed
        yield from self.evaluated
        yield from self.voided


def fact_of(event: SessionEvent, event_id: str) -> Fact:
    """Return what an event, known by its id in `domain_events`, says about its session."""
    match event:
        case SessionCompleted():
            return CompletedFact(
                event_id=event_id,
                session_id=event.session_id,
                contract_id=event.contract_id,
                mentor_id=event.mentor_id,
                student_id=event.student_id,
                session_type=event.session_type,
                required_evaluation=event.required_evaluation,
                completed_at=event.completed_at,
                service_package_id=event.service_package_id,
                package_code=event.package_code,
                package_total_sessions=event.package_total_sessions,
            )
        case SessionEvaluated():
            return EvaluatedFact(
                event_id=event_id,
                session_id=event.session_id,
                evaluated_at=event.evaluated_at,
            )
        case _:
            return VoidedFact(
                event_id=event_id,
                session_id=event.session_id,
                voided_event_id=event.event_id,
                reason=event.reason,
            )


def subject_prefix(subject_id: str) -> bytes:
    """Return what the keys of all facts about a session, or of a package, begin with."""
    return f"{subject_id}{SEPARATOR}".encode()


def session_fact_key(fact: Fact) -> bytes:
    """Return the key of a fact about a session: session, kind and event id."""
    return SEPARATOR.join((fact.session_id, _KIND[type(fact)], fact.event_id)).encode()


def package_fact_key(service_package_id: str, fact: Fact) -> bytes:
    """Return the key of a fact about a package: package, session, kind and event id."""
    return subject_prefix(service_package_id) + session_fact_key(fact)


def gather(facts: Iterable[Fact]) -> SessionFacts:
    """Sort the facts about one session, in whatever order they come."""
    completed: list[CompletedFact] = []
    evaluated: list[EvaluatedFact] = []
    voided: list[VoidedFact] = []
    for fact in facts:
        match fact:
            case CompletedFact():
                completed.append(fact)
            case EvaluatedFact():
                evaluated.append(fact)
            case _:
                voided.append(fact)
    return SessionFacts(
        completed=tuple(sorted(completed, key=_event_id)),
        evaluated=tuple(sorted(evaluated, key=_event_id)),
        voided=tuple(sorted(voided, key=_event_id)),
    )


def gather_by_session(facts: Iterable[Fact]) -> Mapping[str, SessionFacts]:
    """Sort the facts about several sessions, by session id."""
    by_session: defaultdict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        by_session[fact.session_id].append(fact)
    return {session_id: gather(known) for session_id, known in by_session.items()}


def _event_id(fact: Fact) -> str:
    return fact.event_id
