"""What no system on this machine can beat: an fsync, a bare insert, a bare trip through Kafka."""

from __future__ import annotations

import tempfile
import time
import uuid
from typing import TYPE_CHECKING

import psycopg
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from benchmarks.side_by_side.disk import sync_page
from benchmarks.side_by_side.quantiles import Quantiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from schemas.brokers import Brokers

_TIMES = 1_000
_WARMING = 100
_REQUEST_SECONDS = 30.0


def fsync(directory: Path) -> Quantiles:
    """Write a page and have it on disk, where the stack's data lie."""
    with tempfile.TemporaryFile(dir=directory) as file:
        return _timed(lambda: sync_page(file.fileno()))


def bare_insert(admin_url: str) -> Quantiles:
    """Commit one row into a table with nothing to it."""
    table = f"floor_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(admin_url, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {table} (id int)")
        try:
            insert = f"INSERT INTO {table} VALUES (1)"  # noqa: S608 - a name of our own
            return _timed(lambda: connection.execute(insert))
        finally:
            connection.execute(f"DROP TABLE {table}")


def kafka_round_trip(brokers: Brokers) -> Quantiles:
    """Produce one record, acknowledged by all, and read it."""
    topic = f"floor-{uuid.uuid4().hex[:8]}"
    settings = brokers.client
    admin = AdminClient(settings)
    for made in admin.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result(_REQUEST_SECONDS)
    producer = Producer({**settings, "acks": "all", "linger.ms": 0})
    consumer = Consumer({**settings, "group.id": "floor", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(topic, 0, 0)])

        def trip() -> None:
            producer.produce(topic, b"x")
            producer.poll(0)
            message = consumer.poll(_REQUEST_SECONDS)
            if message is None or message.error() is not None:
                raise TimeoutError(f"the record does not come: {message and message.error()}")

        return _timed(trip)
    finally:
        producer.flush(_REQUEST_SECONDS)
        consumer.close()
        for deleted in admin.delete_topics([topic]).values():
            deleted.result(_REQUEST_SECONDS)


def _timed(act: Callable[[], object]) -> Quantiles:
    milliseconds = []
    for number in range(_WARMING + _TIMES):
        begun_at = time.perf_counter()
        act()
        if number >= _WARMING:
            milliseconds.append((time.perf_counter() - begun_at) * 1000)
    return Quantiles.of(milliseconds)
