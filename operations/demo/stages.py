"""How far a run has come, and how long each stage took, from the database's and Kafka's clocks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from confluent_kafka import Consumer, TopicPartition

from schemas import codec, topics
from schemas.records import Payable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from psycopg import Connection

    from schemas.brokers import Brokers

_POLL_SECONDS = 0.2

_DELIVERED = """
    SELECT event.id, event.created_at, receipt.published_at
    FROM domain_events AS event
    JOIN domain_event_deliveries AS receipt
        ON receipt.event_id = event.id AND receipt.event_created_at = event.created_at
        AND receipt.topic = 'events.' || event.aggregate_type
    WHERE event.created_at >= %(since)s
"""
_POSTED = """
    SELECT entry.id, event.created_at, entry.posted_at
    FROM mentor_payable_ledgers AS entry
    JOIN domain_events AS event ON event.id = entry.source_event_id
    WHERE entry.contract_id = ANY(%(contracts)s) AND event.created_at >= %(since)s
"""
_COUNTS = """
    SELECT
        (SELECT count(*) FROM domain_events WHERE created_at >= %(since)s) AS committed,
        (SELECT count(*) FROM recorded_events
         WHERE created_at >= %(since)s AND published_at IS NOT NULL) AS delivered,
        (SELECT count(*) FROM mentor_payable_ledgers WHERE contract_id = ANY(%(contracts)s))
            AS posted
"""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many events are committed and delivered, and how many entries posted."""

    committed: int
    delivered: int
    posted: int


@dataclass(frozen=True, slots=True)
class Latency:
    """The times from an event's INSERT to a stage, in milliseconds; 0 where there are none."""

    stage: str
    count: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class PayablesWatch(threading.Thread):
    """Notes when each payable first stood in Kafka, from the moment it is started."""

    def __init__(self, brokers: Brokers) -> None:
        super().__init__(name="payables-watch", daemon=True)
        self.first_seen: dict[str, tuple[Payable, datetime]] = {}
        self._stopping = threading.Event()
        self._consumer = Consumer(
            {
                **brokers.client,
                "group.id": "outbox-demo",
                "enable.auto.commit": False,
            }
        )
        self._consumer.assign(
            [
                TopicPartition(topics.PAYABLES.name, number, self._end(number))
                for number in self._partitions()
            ]
        )

    def run(self) -> None:
        """Read until `stop`."""
        while not self._stopping.is_set():
            message = self._consumer.poll(_POLL_SECONDS)
            if message is None or message.error() is not None:
                continue
            payable = codec.decode_payable(message.value() or b"")
            seen = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
            if isinstance(payable, Payable):
                self.first_seen.setdefault(payable.ledger_id, (payable, seen))

    def stop(self) -> None:
        """End the thread and close its consumer."""
        self._stopping.set()
        self.join()
        self._consumer.close()

    def _partitions(self) -> Iterable[int]:
        name = topics.PAYABLES.name
        return list(self._consumer.list_topics(name, timeout=10).topics[name].partitions)

    def _end(self, partition: int) -> int:
        _, end = self._consumer.get_watermark_offsets(
            TopicPartition(topics.PAYABLES.name, partition), timeout=10
        )
        return int(end)


def database_time(connection: Connection[Any]) -> datetime:
    """Return the database's own time."""
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    if row is None:
        raise RuntimeError("SELECT clock_timestamp() gave no row")
    now: datetime = row[0]
    return now


def counts(connection: Connection[Any], since: datetime, contracts: Sequence[str]) -> Counts:
    """Return how far the events since `since`, and the bills of `contracts`, have come."""
    row = connection.execute(_COUNTS, {"since": since, "contracts": list(contracts)}).fetchone()
    if row is None:
        raise RuntimeError("the counting query gave no row")
    return Counts(*row)


def latencies(
    connection: Connection[Any],
    since: datetime,
    contracts: Sequence[str],
    watch: PayablesWatch,
) -> list[Latency]:
    """Return each stage's latencies for the events inserted since `since`."""
    delivered = connection.execute(_DELIVERED, {"since": since}).fetchall()
    posted = connection.execute(_POSTED, {"since": since, "contracts": list(contracts)}).fetchall()
    created: dict[UUID, datetime] = {event_id: at for event_id, at, _ in delivered}
    payable = [
        (created[event], seen)
        for event, seen in _sources(watch.first_seen.values())
        if event in created
    ]
    return [
        _latency("event in Kafka (receipt)", [(at, seen) for _, at, seen in delivered]),
        _latency("payable in Kafka", payable),
        _latency("row in the ledger", [(at, seen) for _, at, seen in posted]),
    ]


def _sources(
    seen: Iterable[tuple[Payable, datetime]],
) -> Iterable[tuple[UUID, datetime]]:
    return [(UUID(payable.source_event_id), at) for payable, at in seen]


def _latency(stage: str, pairs: Sequence[tuple[datetime, datetime]]) -> Latency:
    milliseconds = sorted((end - start).total_seconds() * 1000 for start, end in pairs)
    return Latency(
        stage=stage,
        count=len(milliseconds),
        p50_ms=_percentile(milliseconds, 0.50),
        p95_ms=_percentile(milliseconds, 0.95),
        p99_ms=_percentile(milliseconds, 0.99),
        max_ms=_percentile(milliseconds, 1.0),
    )


def _percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that at least `share` of the values do not exceed."""
    if not ordered:
        return 0.0
    index = max(0, -int(-share * len(ordered) // 1) - 1)
    return round(ordered[index], 1)
