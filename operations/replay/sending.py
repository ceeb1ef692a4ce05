"""The one sender of events by hand: what replay, recover and repair put into `events.*`.

As Debezium sends them, with the header `replayed` besides, which says by what they were sent.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, LiteralString, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from psycopg import sql

from operations.failures import ProblemError, UnreachableError
from operations.output import SILENT
from schemas.brokers import Brokers

REPLAYED = "replayed"
PATIENCE_SECONDS = 60.0
_METADATA_SECONDS = 10.0
_POLL_SECONDS = 0.2
_REPORT_EVERY = 10_000

EVENT_COLUMNS = """
    id::text AS id, aggregate_type, aggregate_id, event_type, payload::text AS payload,
    traceparent, created_at
"""
"""What a row of domain_events, recorded_events or undelivered_events must give to be sent. The
payload as text: the bytes that Debezium reads from the log are the same."""
# PostgreSQL notes the time of a commit by the transaction that wrote the row: one that has left for
# the archive has none, nor has one that was committed before the server began to note it. Both are
# older than the rest.
_IN_COMMIT_ORDER = sql.SQL(
    """
    SELECT {columns}
    FROM (
        SELECT
            chosen.*,
            CASE WHEN current_setting('track_commit_timestamp') = 'on'
                THEN pg_xact_commit_timestamp(written.xmin)
            END AS committed_at
        FROM ({chosen}) AS chosen
        LEFT JOIN domain_events AS written USING (id, created_at)
    ) AS placed
    ORDER BY committed_at NULLS FIRST, created_at, id
    """
)


@dataclass(frozen=True, slots=True)
class Record:
    """What is written to Kafka, byte for byte, but for the header `replayed`."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def in_commit_order(chosen: LiteralString) -> sql.Composed:
    """Return the query for the EVENT_COLUMNS of chosen events, in the order to send them in.

    In the order of their commits where the server notes when they were, else of their inserts: so
    that the first deliveries of an aggregate's events keep it. chosen: a query for whole rows of
    domain_events, recorded_events or undelivered_events.
    """
    return _IN_COMMIT_ORDER.format(columns=sql.SQL(EVENT_COLUMNS), chosen=sql.SQL(chosen))


def event_record(event: Mapping[str, Any]) -> Record:
    """Return the record of an event, given as a row of EVENT_COLUMNS, as Debezium writes it."""
    traceparent = event["traceparent"]
    return Record(
        topic=f"events.{event['aggregate_type']}",
        key=event["aggregate_id"].encode(),
        value=event["payload"].encode(),
        headers=(
            ("id", str(event["id"]).encode()),
            ("eventType", event["event_type"].encode()),
            ("createdAt", _instant(event["created_at"])),
            ("traceparent", None if traceparent is None else traceparent.encode()),
        ),
    )


def _instant(time_of_insert: datetime) -> bytes:
    utc = time_of_insert.astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat(timespec='microseconds')}Z".encode()


def send_events(
    brokers: Brokers,
    events: Iterable[Mapping[str, Any]],
    replayed: str,
    report: Callable[[int], None] = lambda _: None,
) -> int:
    """Send events to their topics in the order given; return how many, once Kafka has them all.

    events: rows of EVENT_COLUMNS. replayed: the value of that header, by what they are sent.
    report is told from time to time how many were sent. Raises as EventSender does. One that is on
    its way already comes twice, which changes nothing.
    """
    with EventSender(brokers, replayed) as sender:
        for event in events:
            sender.send(event_record(event))
            if sender.sent % _REPORT_EVERY == 0:
                report(sender.sent)
    return sender.sent


class EventSender:
    """Sends records in order; left without an error, all of them are in Kafka.

    Raises UnreachableError where Kafka does not take them for `patience_seconds`, ProblemError
    where it refuses one. Nothing is sent past a record that failed, so that sending all of it
    again keeps the order of first deliveries.
    """

    def __init__(
        self, brokers: Brokers, replayed: str, patience_seconds: float = PATIENCE_SECONDS
    ) -> None:
        self.sent = 0
        self._brokers = brokers
        self._replayed = replayed.encode()
        self._patience_seconds = patience_seconds
        self._delivered = 0
        self._failure: KafkaError | None = None
        self._producer = Producer(
            {
                **brokers.client,
                # As Connect: else an equal key lands on another partition.
                "partitioner": "murmur2_random",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                "compression.type": "lz4",
                "linger.ms": 5,
                "message.max.bytes": 2 * 1024 * 1024,
                # None times out by itself, which would let the next one overtake it.
                "message.timeout.ms": 0,
            },
            logger=SILENT,
        )

    def __enter__(self) -> Self:
        """Make sure that a broker answers."""
        try:
            self._producer.list_topics(timeout=_METADATA_SECONDS)
        except KafkaException as error:
            raise self._unreachable(error.args[0].str()) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        """Wait for what is on its way; drop it if the sending was broken off."""
        try:
            if kind is None:
                self.flush()
        finally:
            # Nothing to drop if all of it was taken.
            self._producer.purge()

    def send(self, record: Record) -> None:
        """Hand a record over; it waits here for its turn while Kafka is slow."""
        headers = [header for header in record.headers if header[0] != REPLAYED]
        self._producer.poll(0)
        waiting_since, delivered = time.monotonic(), self._delivered
        while True:
            self._refuse_failure()
            try:
                self._producer.produce(
                    record.topic,
                    record.value,
                    record.key,
                    headers=[*headers, (REPLAYED, self._replayed)],
                    on_delivery=self._note,
                )
            except BufferError:
                # Its queue is full: let it deliver.
                self._producer.poll(_POLL_SECONDS)
                waiting_since, delivered = self._patience(waiting_since, delivered)
            except KafkaException as error:
                # Refused before it left, as one that is too large.
                self._failure = self._failure or error.args[0]
            else:
                self.sent += 1
                return

    def flush(self) -> None:
        """Return once Kafka has everything that was sent."""
        waiting_since, delivered = time.monotonic(), self._delivered
        while self._producer.flush(_POLL_SECONDS) and self._failure is None:
            waiting_since, delivered = self._patience(waiting_since, delivered)
        self._refuse_failure()

    def _note(self, error: KafkaError | None, _: Message) -> None:
        if error is None:
            self._delivered += 1
        elif self._failure is None:
            self._failure = error

    def _patience(self, waiting_since: float, delivered: int) -> tuple[float, int]:
        """Begin to wait anew where something was delivered; raise where that was too long ago."""
        now = time.monotonic()
        if self._delivered > delivered:
            return now, self._delivered
        if now - waiting_since > self._patience_seconds:
            raise self._unreachable(f"it took nothing for {self._patience_seconds:.0f} s")
        return waiting_since, delivered

    def _refuse_failure(self) -> None:
        if self._failure is not None:
            raise ProblemError(
                f"Kafka at {self._brokers} refuses an event: {self._failure.str()}."
                f" {self._so_far()} If its topic is missing, `outbox up` creates it. Once the cause"
                " is mended, run the same command again: what arrives twice changes nothing."
            )

    def _unreachable(self, why: str) -> UnreachableError:
        return UnreachableError(
            f"Kafka at {self._brokers} does not answer: {why}. {self._so_far()}"
            " See `outbox status`; once Kafka runs, run the same command again: what arrives twice"
            " changes nothing."
        )

    def _so_far(self) -> str:
        return f"{self._delivered} of {self.sent} events were taken before."
