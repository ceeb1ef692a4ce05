"""A FactPartition without RocksDB and Kafka, and InboundRecords as Debezium makes them."""

from collections.abc import Sequence
from typing import cast

from schemas import codec, topics
from schemas.records import (
    CompletedFact,
    EvaluatedFact,
    Event,
    SessionCompleted,
    SessionEvaluated,
    SessionVoided,
    VoidedFact,
)
from stream_processors.billing.facts import Fact
from stream_processors.engine.fact_table import FactPartition, PendingFacts
from stream_processors.engine.messages import InboundRecord, OutboundRecord


class MemoryPartition:
    """What PendingFacts asks of a FactPartition, and its `store`, in a dictionary."""

    def __init__(self) -> None:
        self.stored: dict[bytes, bytes] = {}
        self.position = 0

    def rows_of(self, subject: bytes) -> dict[bytes, bytes]:
        return {key: self.stored[key] for key in sorted(self.stored) if key.startswith(subject)}

    def store(self, rows: Sequence[tuple[bytes, bytes]], offsets: Sequence[int]) -> bool:
        self.stored.update(rows)
        self.position = offsets[-1] + 1 if offsets else self.position
        return True


def pending(partition: MemoryPartition) -> PendingFacts:
    """Return a batch's view of a partition."""
    return PendingFacts(cast("FactPartition", partition))


def event_record(
    event: Event, event_id: str, offset: int = 0, **headers: bytes | None
) -> InboundRecord:
    """Return an event as the connector produces it; `headers` come beside or instead of its own."""
    return InboundRecord(
        topic=topics.EVENTS_SESSION.name,
        partition=0,
        offset=offset,
        key=event.aggregate_id.encode(),
        value=codec.encode_event(event).encode(),
        headers={"id": event_id.encode(), "eventType": event.event_type.encode(), **headers},
    )


def event_of(fact: Fact) -> Event:
    """Return the event that says what a fact says."""
    match fact:
        case CompletedFact():
            return SessionCompleted(
                session_id=fact.session_id,
                contract_id=fact.contract_id,
                mentor_id=fact.mentor_id,
                student_id=fact.student_id,
                session_type=fact.session_type,
                required_evaluation=fact.required_evaluation,
                completed_at=fact.completed_at,
                service_package_id=fact.service_package_id,
                package_code=fact.package_code,
                package_total_sessions=fact.package_total_sessions,
            )
        case EvaluatedFact():
            return SessionEvaluated(fact.session_id, fact.evaluated_at)
        case VoidedFact():
            return SessionVoided(fact.session_id, fact.voided_event_id, fact.reason)


def fact_record(fact: Fact, offset: int = 0) -> InboundRecord:
    """Return the record of the event that says what a fact says."""
    return event_record(event_of(fact), fact.event_id, offset)


def inbound(record: OutboundRecord, offset: int = 0) -> InboundRecord:
    """Return a record that one agent sent, as another one reads it."""
    return InboundRecord(record.topic, 0, offset, record.key, record.value, dict(record.headers))
