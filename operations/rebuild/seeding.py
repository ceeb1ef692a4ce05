"""All that sessions' events say, put into the new changelogs before anybody decides on it.

A topic whose records were removed has them again behind those that came later, and partitions are
read as they come. Read in that order, an evaluation would meet the completion that a person had
voided before, without the voiding, and a package those of its sessions that agree, without the one
whose terms hold: the wrong mentor would be paid. With every recorded fact known beforehand, of
sessions and of packages, the order does not matter.
"""

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, Self

import psycopg
from aiokafka.partitioner import murmur2
from confluent_kafka import KafkaError, Producer

from operations.failures import UnreachableError
from operations.output import SILENT
from operations.rebuild.cluster import Cluster
from schemas import codec
from schemas.errors import Undecodable
from schemas.records import SessionCompleted, SessionEvaluated, SessionVoided
from schemas.topics import PACKAGE_FACTS_CHANGELOG, SESSION_FACTS_CHANGELOG, Topic
from stream_processors.billing.facts import (
    Fact,
    SessionFacts,
    fact_of,
    gather,
    package_fact_key,
    session_fact_key,
)
from stream_processors.billing.sessions import package_sessions

_ROWS_AT_ONCE = 1_000
_DELIVERY_SECONDS = 60.0
_POLL_SECONDS = 0.2

_EVENTS = """
    SELECT aggregate_id, id::text, event_type, payload::text
    FROM recorded_events
    WHERE aggregate_type = 'session'
    ORDER BY aggregate_id
"""


def seed_facts(database_url: str, cluster: Cluster) -> int:
    """Write what each recorded event of a session says into the changelogs; return how many.

    The changelogs are begun, and nobody reads them yet. Raises UnreachableError.
    """
    with (
        psycopg.connect(database_url) as connection,
        connection.cursor(name="recorded_facts") as events,
        _Seeds(cluster) as seeds,
    ):
        events.itersize = _ROWS_AT_ONCE
        events.execute(_EVENTS)
        return sum(seeds.sow(facts) for facts in _sessions(events))


def _sessions(events: Iterator[tuple[Any, ...]]) -> Iterator[SessionFacts]:
    """Yield all facts of each session."""
    for _, of_session in groupby(events, key=itemgetter(0)):
        yield gather(fact for fact in map(_fact, of_session) if fact is not None)


def _fact(row: tuple[Any, ...]) -> Fact | None:
    """Return what an event says; None where the processors make an exception of it."""
    _, event_id, event_type, payload = row
    try:
        event = codec.decode_event(event_type, payload.encode())
    except Undecodable:
        return None
    if not isinstance(event, SessionCompleted | SessionEvaluated | SessionVoided):
        return None
    return fact_of(event, event_id)


class _Seeds:
    """Writes facts into the changelogs; left without an error, all of them are there."""

    def __init__(self, cluster: Cluster) -> None:
        self._partitions = cluster.scale().partitions
        self._failures: list[KafkaError] = []
        self._producer = Producer(
            {
                **cluster.brokers.client,
                "enable.idempotence": True,
                "compression.type": "lz4",
                "log_level": 3,
            },
            logger=SILENT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._producer.purge()
        elif self._producer.flush(_DELIVERY_SECONDS) or self._failures:
            reason = self._failures[0].str() if self._failures else "no answer"
            raise UnreachableError(
                f"The changelogs did not take every recorded fact: {reason}. See `outbox status`, "
                "then run the same command again."
            )

    def sow(self, facts: SessionFacts) -> int:
        """Write the facts of a session, also to each package that they name; return how many."""
        for fact in facts:
            place = partition_of(fact.session_id.encode(), self._partitions)
            self._write(SESSION_FACTS_CHANGELOG, place, session_fact_key(fact), fact)
        for told in package_sessions(facts):
            package_id = told.service_package_id
            place = partition_of(package_id.encode(), self._partitions)
            for fact in facts:
                key = package_fact_key(package_id, fact)
                self._write(PACKAGE_FACTS_CHANGELOG, place, key, fact)
        return len(facts)

    def _write(self, changelog: Topic, partition: int, key: bytes, fact: Fact) -> None:
        value = codec.encode(fact)
        while True:
            try:
                self._producer.produce(
                    changelog.name, value, key, partition=partition, on_delivery=self._note
                )
            except BufferError:
                self._producer.poll(_POLL_SECONDS)
            else:
                self._producer.poll(0)
                return

    def _note(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._failures.append(error)


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition that every producer of ours gives a key: by murmur2, as Java has it."""
    return int(murmur2(key) & 0x7FFFFFFF) % partitions
