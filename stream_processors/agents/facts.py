"""Facts as rows of a state table: the key says subject, kind and event id, the value the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import codec
from stream_processors.billing.facts import FACT_KINDS, SEPARATOR, subject_prefix

if TYPE_CHECKING:
    from stream_processors.billing.facts import Fact
    from stream_processors.engine.fact_table import PendingFacts


class FactContradictedError(Exception):
    """Two records carry one event id and say different things."""


def add_fact(facts: PendingFacts, subject_id: str, key: bytes, fact: Fact) -> None:
    """Add a fact about a subject that is not known yet; one that is known is nothing new.

    Raises FactContradictedError where the same event id already says something else: an event id
    belongs to one row of domain_events, so the second record did not come from there.
    """
    subject = subject_prefix(subject_id)
    known = facts.rows(subject).get(key)
    if known is None:
        facts.add(subject, key, codec.encode(fact))
        facts.read[key] = fact
    elif _read(facts, key, known) != fact:
        raise FactContradictedError(
            f"event {fact.event_id} of session {fact.session_id} is already known with other "
            "contents, which are kept: find out who produced this record beside domain_events"
        )


def facts_about(facts: PendingFacts, subject_id: str) -> list[Fact]:
    """Return all facts about a session, or about a package."""
    rows = facts.rows(subject_prefix(subject_id))
    return [_read(facts, key, value) for key, value in rows.items()]


def _read(facts: PendingFacts, key: bytes, value: bytes) -> Fact:
    fact: Fact | None = facts.read.get(key)
    if fact is None:
        fact = facts.read[key] = fact_of_row(key, value)
    return fact


def fact_of_row(key: bytes, value: bytes) -> Fact:
    """Return the fact that a row of a state table holds."""
    return codec.decode(value, FACT_KINDS[key.decode().split(SEPARATOR)[-2]])
