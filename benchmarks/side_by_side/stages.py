"""Where the time goes: from the commit to Kafka, to the payable, to the row in the ledger.

Kafka's times are those at which the broker appended a record: while it is measured, the topics are
told to note them, in place of the times that the producers give.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from benchmarks.side_by_side.quantiles import Quantiles
from operations.output import SILENT
from operations.reconcile.positions import KafkaPositions
from schemas import codec, topics
from schemas.records import Payable
from schemas.topic_creation import alter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import psycopg
    from confluent_kafka import Message

    from benchmarks.side_by_side.work import Work
    from schemas.brokers import Brokers

_COMMITTED = """
    SELECT entry.id, event.id,
           (extract(epoch FROM pg_xact_commit_timestamp(event.xmin)) * 1000)::float8,
           (extract(epoch FROM pg_xact_commit_timestamp(entry.xmin)) * 1000)::float8
    FROM mentor_payable_ledgers AS entry
    JOIN domain_events AS event ON event.id = entry.source_event_id
    WHERE entry.mentor_id = ANY(%s)
"""
_READ_SECONDS = 10.0
_BATCH = 10_000


def _event_id(message: Message) -> uuid.UUID | None:
    return uuid.UUID(dict(message.headers() or ())["id"].decode())


def _ledger_id(message: Message) -> uuid.UUID | None:
    said = codec.decode_payable(message.value() or b"")
    return uuid.UUID(said.ledger_id) if isinstance(said, Payable) else None


# By topic, what a record is about; None where that does not matter here.
_WATCHED: Mapping[str, Callable[[Message], uuid.UUID | None]] = {
    topics.EVENTS_SESSION.name: _event_id,
    topics.PAYABLES.name: _ledger_id,
}


@dataclass(frozen=True, slots=True)
class Stages:
    """Milliseconds; Kafka's times are whole ones."""

    to_kafka: Quantiles
    to_payable: Quantiles
    to_ledger: Quantiles


def note_append_times(brokers: Brokers) -> None:
    """Let the topics that are watched note when a record was appended."""
    append_time = {"message.timestamp.type": "LogAppendTime"}
    alter(AdminClient(brokers.client), dict.fromkeys(_WATCHED, append_time))


class TopicsWatch:
    """Where the topics ended before a run, and what came after."""

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._positions = KafkaPositions(brokers, _READ_SECONDS)
        self._begins = self._positions.ends(_WATCHED)

    def appended(self, topic: topics.Topic) -> int:
        """Return how many records a topic has been given since."""
        ends = self._positions.ends([topic.name])
        return sum(end - self._begins[key] for key, end in ends.items())

    def append_times(self, topic: topics.Topic) -> list[float]:
        """Return when each of them was appended, in seconds since 1970."""
        return [ms / 1000 for ms in self._first_times(topic).values()]

    def stages(self, admin: psycopg.Connection[Any], work: Work) -> Stages:
        """Return how long each stage took for the bills of a run that is over."""
        sent = self._first_times(topics.EVENTS_SESSION)
        owed = self._first_times(topics.PAYABLES)
        rows = admin.execute(_COMMITTED, [work.mentors()]).fetchall()
        return Stages(
            Quantiles.of([sent[event] - committed for _, event, committed, _ in rows]),
            Quantiles.of([owed[entry] - sent[event] for entry, event, _, _ in rows]),
            Quantiles.of([posted - owed[entry] for entry, _, _, posted in rows]),
        )

    def _first_times(self, topic: topics.Topic) -> dict[uuid.UUID, int]:
        ends = self._positions.ends([topic.name])
        consumer = Consumer(
            {
                **self._brokers.client,
                "group.id": "benchmark",
                "enable.auto.commit": False,
                "auto.offset.reset": "error",
            },
            logger=SILENT,
        )
        found: dict[uuid.UUID, int] = {}
        try:
            consumer.assign([TopicPartition(*key, self._begins[key]) for key in ends])
            missing = sum(end - self._begins[key] for key, end in ends.items())
            while missing > 0:
                batch = consumer.consume(min(missing, _BATCH), timeout=_READ_SECONDS)
                if not batch:
                    raise TimeoutError(f"{topic.name} gives no more records")
                missing -= len(batch)
                for message in batch:
                    identity = _WATCHED[topic.name](message)
                    if identity is not None:
                        found.setdefault(identity, message.timestamp()[1])
        finally:
            consumer.close()
        return found
