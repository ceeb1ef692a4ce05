"""What `outbox connectors recover` does beyond the slot: every event without a receipt is sent."""

from collections.abc import Callable
from typing import Any

import psycopg
from confluent_kafka import KafkaError, Message, Producer
from psycopg.rows import dict_row

from operations.failures import UnreachableError

_DELIVERY_SECONDS = 60.0
_ROWS_AT_ONCE = 1_000
_REPORT_EVERY = 10_000

_WITHOUT_RECEIPT = """
    SELECT event.id::text AS id,
           event.aggregate_type,
           event.aggregate_id,
           event.event_type,
           event.payload::text AS payload,
           event.traceparent,
           event.created_at
    FROM domain_events AS event
    LEFT JOIN domain_event_deliveries AS receipt
        ON receipt.event_id = event.id
        AND receipt.event_created_at = event.created_at
    WHERE receipt.event_id IS NULL
      AND event.created_at <= %s
    ORDER BY event.created_at, event.id
"""


def publish_again(database_url: str, publication_sql: str) -> bool:
    """Make the publication if it is gone; tell whether it was. database_url: the owner's."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = 'outbox_events')"
        ).fetchone()
        if row == (True,):
            return False
        connection.execute(publication_sql.encode())
        return True


def send_undelivered(
    database_url: str, bootstrap_servers: str, report: Callable[[int], None]
) -> int:
    """Send each event that is committed now and has no receipt to its topic; return how many.

    As Debezium sends them, with the header `replayed` besides. One that is on its way already comes
    twice, which changes nothing. report is told from time to time how many were sent. Raises
    UnreachableError if Kafka does not take them; what was sent is then sent again the next time.
    """
    failures: list[KafkaError] = []

    def delivered(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failures.append(error)

    producer = _producer(bootstrap_servers)
    sent = 0
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        now = connection.execute("SELECT clock_timestamp() AS now").fetchone()
        with connection.cursor(name="without_receipt") as events:
            events.itersize = _ROWS_AT_ONCE
            events.execute(_WITHOUT_RECEIPT, [None if now is None else now["now"]])
            for event in events:
                _produce(producer, event, delivered)
                sent += 1
                if failures:
                    break
                if sent % _REPORT_EVERY == 0:
                    report(sent)
    left = producer.flush(_DELIVERY_SECONDS)
    if left or failures:
        reason = failures[0].str() if failures else "no answer"
        raise UnreachableError(
            f"Kafka at {bootstrap_servers} did not take every event that has no receipt: {reason}."
            " See `outbox status`, then run `outbox connectors recover` again."
        )
    return sent


def _producer(bootstrap_servers: str) -> Producer:
    return Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            # As Connect: else an equal key lands on another partition.
            "partitioner": "murmur2_random",
            "enable.idempotence": True,
            "compression.type": "lz4",
            "message.max.bytes": 2 * 1024 * 1024,
            "message.timeout.ms": int(_DELIVERY_SECONDS * 1000),
        }
    )


def _produce(
    producer: Producer,
    event: dict[str, Any],
    delivered: Callable[[KafkaError | None, Message], None],
) -> None:
    while True:
        try:
            producer.produce(
                f"events.{event['aggregate_type']}",
                key=event["aggregate_id"],
                value=event["payload"],
                headers=[
                    ("id", event["id"]),
                    ("eventType", event["event_type"]),
                    ("createdAt", event["created_at"].isoformat()),
                    ("traceparent", event["traceparent"]),
                    ("replayed", "recover"),
                ],
                on_delivery=delivered,
            )
        except BufferError:
            # Its queue is full: let it deliver.
            producer.poll(1)
        else:
            producer.poll(0)
            return
