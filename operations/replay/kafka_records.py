"""Reads records at known places in Kafka, byte for byte."""

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from operations.failures import ProblemError, UnreachableError
from operations.output import SILENT
from operations.replay.sending import Record
from schemas.brokers import Brokers

_ANSWER_SECONDS = 30.0
_POLL_SECONDS = 0.2
_RECORDS_AT_ONCE = 500
# Reading through so many records is quicker than going to the next one.
_GAP_RECORDS_MAX = 500


class Position(NamedTuple):
    """Where a record lies."""

    topic: str
    partition: int
    offset: int


class KafkaRecords:
    """A reader without a group: it commits nothing and takes no partition from anybody.

    Every method raises UnreachableError where Kafka does not answer.
    """

    def __init__(self, brokers: Brokers) -> None:
        self._brokers = brokers
        self._bounds: dict[tuple[str, int], tuple[int, int]] = {}
        self._consumer = Consumer(
            {
                **brokers.client,
                "group.id": "outbox-replay",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 20,
                # What is read is sent at leisure before more is read.
                "max.poll.interval.ms": 24 * 60 * 60 * 1000,
            },
            logger=SILENT,
        )

    def __enter__(self) -> Self:
        """Return itself; the connection is made when it is needed."""
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """End the connection."""
        self._consumer.close()

    def partitions(self, topic: str) -> list[int]:
        """Return the numbers of a topic's partitions; raises ProblemError where it is missing."""
        try:
            found = self._consumer.list_topics(topic, timeout=_ANSWER_SECONDS).topics[topic]
        except KafkaException as error:
            raise self._unreachable(error.args[0].str()) from error
        if found.error is not None:
            raise ProblemError(
                f"Kafka at {self._brokers} has no topic {topic}: {found.error.str()}."
                " `outbox up` creates the topics of the local stack."
            )
        return sorted(found.partitions)

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return a partition's first offset and the one after its last, as last asked for."""
        known = self._bounds.get((topic, partition))
        if known is None:
            try:
                known = self._consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=_ANSWER_SECONDS
                )
            except KafkaException as error:
                if error.args[0].code() in {
                    KafkaError.UNKNOWN_TOPIC_OR_PART,
                    KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
                    KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
                }:
                    known = (0, 0)
                else:
                    raise self._unreachable(error.args[0].str()) from error
            self._bounds[topic, partition] = known
        return known

    def at(self, positions: Iterable[Position]) -> dict[Position, Record]:
        """Return the records at these positions; those that do not lie there are left out."""
        wanted: dict[tuple[str, int], set[int]] = defaultdict(set)
        for topic, partition, offset in positions:
            wanted[topic, partition].add(offset)
        found: dict[Position, Record] = {}
        for (topic, partition), offsets in wanted.items():
            low, high = self.bounds(topic, partition)
            if max(offsets) >= high:
                del self._bounds[topic, partition]
                low, high = self.bounds(topic, partition)
            there = {offset for offset in offsets if low <= offset < high}
            for start, end in _runs(sorted(there)):
                for offset, record in self.between(topic, partition, start, end):
                    if offset in there:
                        found[Position(topic, partition, offset)] = record
        return found

    def between(
        self, topic: str, partition: int, start: int, end: int
    ) -> Iterator[tuple[int, Record]]:
        """Yield the records from `start` up to, and without, `end`, with their offsets."""
        if start >= end:
            return
        self._consumer.assign([TopicPartition(topic, partition, start)])
        while True:
            for message in self._next(topic, partition, start):
                if self._is_over(message, end):
                    return
                if message.error() is None:
                    yield message.offset(), _record(message)
                    if message.offset() == end - 1:
                        return

    def _next(self, topic: str, partition: int, start: int) -> list[Message]:
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            messages: list[Message] = self._consumer.consume(_RECORDS_AT_ONCE, _POLL_SECONDS)
            if messages:
                return messages
        raise self._unreachable(f"nothing came of {topic}[{partition}] from {start} on")

    def _is_over(self, message: Message, end: int) -> bool:
        error = message.error()
        if error is None:
            return int(message.offset()) >= end
        if error.code() in {KafkaError._PARTITION_EOF, KafkaError.UNKNOWN_TOPIC_OR_PART}:  # noqa: SLF001
            return True
        if error.retriable() or error.code() == KafkaError._TRANSPORT:  # noqa: SLF001
            return False
        raise self._unreachable(error.str())

    def _unreachable(self, why: str) -> UnreachableError:
        return UnreachableError(
            f"Kafka at {self._brokers} cannot be read: {why}. See `outbox status`; once"
            " Kafka runs, run the same command again: it goes on where it was."
        )


def _record(message: Message) -> Record:
    return Record(
        topic=message.topic(),
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
    )


def _headers(message: Message) -> tuple[tuple[str, bytes | None], ...]:
    """Return a record's headers; none where the name of one is not text: it is no event then."""
    try:
        return tuple(message.headers() or ())
    except (SystemError, UnicodeDecodeError):
        return ()


def _runs(offsets: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Group offsets, ascending, that are read through together: first, and the one after last."""
    if not offsets:
        return
    start = last = offsets[0]
    for offset in offsets[1:]:
        if offset - last > _GAP_RECORDS_MAX:
            yield start, last + 1
            start = offset
        last = offset
    yield start, last + 1
