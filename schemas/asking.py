"""Asking Kafka once more where the broker that was asked has just gone; another one knows it too.

librdkafka forgets a broker that the cluster no longer names, and fails what was asked of it; a
group's new coordinator reads the group's offsets first. That is no fault of the cluster: seconds
after a broker's death others do what it did.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from confluent_kafka import KafkaError as Error
from confluent_kafka import KafkaException

if TYPE_CHECKING:
    from collections.abc import Callable

    from confluent_kafka import Consumer, TopicPartition

_PATIENCE_SECONDS = 30.0
_ANSWER_SECONDS = 10.0
"""How long one broker may take: one that is asked while it goes never answers."""
_PAUSE_SECONDS = 0.2
_PASSING = frozenset(
    {
        # The broker that was asked has gone.
        Error._DESTROY_BROKER,  # noqa: SLF001
        Error._TRANSPORT,  # noqa: SLF001
        Error._ALL_BROKERS_DOWN,  # noqa: SLF001
        Error._TIMED_OUT,  # noqa: SLF001
        # Another one is not in charge yet, or any more.
        Error._WAIT_COORD,  # noqa: SLF001
        Error.NOT_COORDINATOR,
        Error.COORDINATOR_NOT_AVAILABLE,
        Error.COORDINATOR_LOAD_IN_PROGRESS,
        Error.NOT_LEADER_FOR_PARTITION,
        Error.LEADER_NOT_AVAILABLE,
    }
)

Told = TypeVar("Told")


def edges_of(
    consumer: Consumer, partition: TopicPartition, patience_seconds: float = _PATIENCE_SECONDS
) -> tuple[int, int]:
    """Return where a partition begins and where it ends; raises KafkaException."""

    def ask(seconds: float) -> tuple[int, int]:
        found: tuple[int, int] = consumer.get_watermark_offsets(partition, timeout=seconds)
        return found

    return answered(ask, patience_seconds)


def committed(
    consumer: Consumer,
    partitions: list[TopicPartition],
    patience_seconds: float = _PATIENCE_SECONDS,
) -> list[TopicPartition]:
    """Return what the consumer's group has committed of partitions; raises KafkaException."""

    def ask(seconds: float) -> list[TopicPartition]:
        found: list[TopicPartition] = consumer.committed(partitions, timeout=seconds)
        for partition in found:
            if partition.error is not None:
                raise KafkaException(partition.error)
        return found

    return answered(ask, patience_seconds)


def answered(
    ask: Callable[[float], Told],
    patience_seconds: float = _PATIENCE_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Told:
    """Ask until there is an answer; raises the KafkaException that is final, or lasts too long.

    `ask` is told how many seconds it may take.
    """
    deadline = clock() + patience_seconds
    while True:
        try:
            return ask(min(_ANSWER_SECONDS, max(deadline - clock(), _PAUSE_SECONDS)))
        except KafkaException as failure:
            error = failure.args[0]
            if clock() >= deadline or not (error.retriable() or error.code() in _PASSING):
                raise
        sleep(_PAUSE_SECONDS)
