"""All that sessions' events say, put into a new changelog before anybody decides on it.

A topic whose records were removed has them again behind those that came later. Read in that order,
an evaluation would meet the completion that a person had voided before, without the voiding: the
wrong mentor would be paid. With every recorded fact known beforehand, the order does not matter.
"""

from typing import Any

import psycopg
from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaError, Producer

from operations.failures import UnreachableError
from operations.output import SILENT
from schemas import codec
from schemas.errors import Undecodable
from schemas.records import SessionCompleted, SessionEvaluated, SessionVoided
from schemas.topics import EVENTS_SESSION, SESSION_FACTS_CHANGELOG
from stream_processors.billing.facts import fact_of, session_fact_key

_ROWS_AT_ONCE = 1_000
_DELIVERY_SECONDS = 60.0
_POLL_SECONDS = 0.2

_EVENTS = """
    SELECT id::text, event_type, aggregate_id, payload::text
    FROM recorded_events
    WHERE aggregate_type = 'session'
"""


def seed_facts(database_url: str, bootstrap_servers: str) -> int:
    """Write the fact of each recorded event of a session into its changelog; return how many.

    The changelog is begun, and nobody reads it yet. Raises UnreachableError.
    """
    failures: list[KafkaError] = []
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "enable.idempotence": True,
            "compression.type": "lz4",
            "log_level": 3,
        },
        logger=SILENT,
    )
    seeded = 0
    with (
        psycopg.connect(database_url) as connection,
        connection.cursor(name="recorded_facts") as events,
    ):
        events.itersize = _ROWS_AT_ONCE
        events.execute(_EVENTS)
        for row in events:
            seeded += _produce(producer, row, failures)
    if producer.flush(_DELIVERY_SECONDS) or failures:
        reason = failures[0].str() if failures else "no answer"
        raise UnreachableError(
            f"{SESSION_FACTS_CHANGELOG.name} did not take every recorded fact: {reason}. See "
            "`outbox status`, then run the same command again."
        )
    return seeded


def _produce(producer: Producer, row: tuple[Any, ...], failures: list[KafkaError]) -> int:
    event_id, event_type, session_id, payload = row
    try:
        event = codec.decode_event(event_type, payload.encode())
    except Undecodable:
        # The processors make an exception of it as they read it.
        return 0
    if not isinstance(event, SessionCompleted | SessionEvaluated | SessionVoided):
        return 0
    fact = fact_of(event, event_id)
    while True:
        try:
            producer.produce(
                SESSION_FACTS_CHANGELOG.name,
                codec.encode(fact),
                session_fact_key(fact),
                partition=partition_of(session_id.encode(), EVENTS_SESSION.partitions),
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
        except BufferError:
            producer.poll(_POLL_SECONDS)
        else:
            producer.poll(0)
            return 1


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that every producer of ours gives a key: by murmur2, as Java has it."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
