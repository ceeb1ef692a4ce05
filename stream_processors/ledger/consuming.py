"""A topic loop: read a batch, carry it out, then commit its offsets."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import structlog
from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_INVALID,
    Consumer,
    KafkaException,
    Message,
    TopicPartition,
)
from confluent_kafka import KafkaError as Error

from schemas.asking import committed, edges_of
from stream_processors.engine.batching import interval_seconds
from stream_processors.engine.changelog import MEND, PositionLost
from stream_processors.engine.crash import error_in_hand
from stream_processors.engine.lag import Queue
from stream_processors.engine.logs import KAFKA_LOG
from stream_processors.engine.messages import InboundRecord
from stream_processors.ledger.database import Stopped
from stream_processors.ledger.membership import Membership, kafka_answers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from stream_processors.engine.lag import Partition

# librdkafka reports these and goes on trying by itself.
_PASSING_ERRORS = frozenset({Error._ALL_BROKERS_DOWN, Error._TRANSPORT})  # noqa: SLF001

_log = structlog.get_logger(__name__)

_BATCH_RECORDS = 1000
_POLL_SECONDS = 0.1
_COMMIT_SECONDS = 0.2
_LOOK_SECONDS = 1.0


class TopicLoop(threading.Thread):
    """Hands batches to `carry_out`, and commits them once it returns.

    Any fault ends the process (`on_fault`) before the batch is committed. One batch begins
    `every_seconds` after the other at the earliest, later after a large one: what comes close
    together is carried out together, which costs less, and what comes alone does not wait.

    A group reads everything, and ends where it cannot. One that reads `from_now_on` begins with
    what comes after its first start, and goes on with what comes where its position is lost.

    `commit_taken_at`: the time of the last commit that Kafka took; None before the first.
    """

    def __init__(  # noqa: PLR0913 - wired in one place
        self,
        *,
        group: str,
        topics: Sequence[str],
        member: str,
        kafka: Mapping[str, str | int],
        carry_out: Callable[[Sequence[InboundRecord]], None],
        every_seconds: float,
        stopping: threading.Event,
        on_fault: Callable[[str, BaseException], None],
        records_max: int = _BATCH_RECORDS,
        from_now_on: bool = False,
    ) -> None:
        super().__init__(name=group, daemon=True)
        self.assigned: list[str] | None = None
        self.queue = Queue()
        # By partition: the offset after the last record that was carried out, and where it ended.
        self._next: dict[Partition, int] = {}
        self._ends: dict[Partition, int] = {}
        self._ends_at = 0.0
        # A consumer that waits for records keeps everybody else who asks it waiting, for ever.
        self._reading = threading.Lock()
        self._topics = list(topics)
        self._carry_out = carry_out
        self._every_seconds = every_seconds
        self._next_at = 0.0
        self._stopping = stopping
        self._on_fault = on_fault
        self._records_max = records_max
        self._from_now_on = from_now_on
        self._uncommitted = False
        self._committed_at = time.monotonic()
        self.commit_taken_at: float | None = None
        self._membership = Membership(group, lambda: kafka_answers(kafka))
        settings = _settings(group, member, "latest" if from_now_on else "error")
        self._consumer = Consumer(
            {**kafka, **settings, "on_commit": self._answered}, logger=KAFKA_LOG
        )

    def run(self) -> None:
        """Read until the process is asked to end; the batch in hand is finished and committed."""
        try:
            self._consumer.subscribe(
                self._topics, on_assign=self._assign, on_revoke=self._revoke, on_lost=self._lost
            )
            while not self._stopping.is_set():
                self._membership.look(assigned=self.assigned is not None)
                batch = self._next_batch()
                if batch:
                    self._carry_out([_inbound(message) for message in batch])
                    self.queue.finished()
                    self._store_offsets(batch)
                self._commit_in_time()
            self._commit()
            self._close()
        except Stopped:
            self._close()
        except:  # noqa: E722 - whatever it is, a KafkaError too, nothing may be committed
            self._on_fault(f"reading {', '.join(self._topics)}", error_in_hand())

    def lags(self) -> dict[Partition, int]:
        """Return how many records of each partition are not carried out yet; from any thread.

        By what was fetched last: nobody is asked. What was not fetched yet is left out.
        """
        nexts, ends = dict(self._next), self._ends
        return {
            partition: max(0, ends[partition] - begins)
            for partition, begins in nexts.items()
            if partition in ends
        }

    def look(self) -> None:
        """Note whether records wait, also while a batch is in hand; to be called every second."""
        if self._reading.acquire(blocking=False):
            try:
                self._note_ends()
            finally:
                self._reading.release()
        self.queue.look(sum(self.lags().values()))

    def _note_ends(self) -> None:
        if time.monotonic() - self._ends_at < _LOOK_SECONDS:
            return
        self._ends_at = time.monotonic()
        ends = {
            (topic, partition): self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), cached=True
            )[1]
            for topic, partition in list(self._next)
        }
        self._ends = {each: end for each, end in ends.items() if end != OFFSET_INVALID}

    def _close(self) -> None:
        # Whoever looks after that finds no partitions, and asks nothing.
        with self._reading:
            self._consumer.close()

    def _next_batch(self) -> list[Message]:
        """Wait until it is time, and for one record; then take what else is there."""
        self._stopping.wait(self._next_at - time.monotonic())
        with self._reading:
            first = self._consumer.poll(_POLL_SECONDS)
            self._note_ends()
            if first is None:
                return []
            begun_at = time.monotonic()
            batch = [first, *self._consumer.consume(self._records_max - 1, timeout=0)]
        self._next_at = begun_at + interval_seconds(self._every_seconds, len(batch))
        for message in batch:
            error = message.error()
            if error is not None and error.code() == Error._AUTO_OFFSET_RESET:  # noqa: SLF001
                raise PositionLost(
                    f"the position of {self.name} in {message.topic()}[{message.partition()}] is "
                    f"no longer in the topic: {error.str()}. {MEND}"
                )
            if error is not None and error.code() not in _PASSING_ERRORS and not error.retriable():
                raise KafkaException(error)
        return [message for message in batch if message.error() is None]

    def _store_offsets(self, batch: Sequence[Message]) -> None:
        for message in batch:
            try:
                self._consumer.store_offsets(message=message)
                self._next[message.topic() or "", message.partition() or 0] = _after(message)
                self._uncommitted = True
            except KafkaException as error:
                # The partition moved meanwhile: its next owner carries the record out again.
                if error.args[0].code() != Error._STATE:  # noqa: SLF001
                    raise

    def _commit_in_time(self) -> None:
        if self._uncommitted and time.monotonic() - self._committed_at >= _COMMIT_SECONDS:
            self._consumer.commit(asynchronous=True)
            self._uncommitted = False
            self._committed_at = time.monotonic()

    def _answered(self, error: Error | None, partitions: Sequence[TopicPartition]) -> None:
        """Note what Kafka made of a commit: what it refused is committed again."""
        refused = error or next((each.error for each in partitions if each.error), None)
        if refused is None:
            self.commit_taken_at = time.time()
        elif refused.code() != Error._NO_OFFSET:  # noqa: SLF001
            self._uncommitted = True
            _log.warning("commit_refused", group=self.name, error=refused.str())

    def _commit(self) -> None:
        if self._uncommitted:
            try:
                self._consumer.commit(asynchronous=False)
            except KafkaException as error:
                # A commit that was still on its way when they were stored has taken them along.
                if error.args[0].code() != Error._NO_OFFSET:  # noqa: SLF001
                    raise
            self._uncommitted = False

    def _assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Begin where the group stopped."""
        positions = {
            (partition.topic, partition.partition): partition.offset
            for partition in committed(consumer, partitions)
        }
        unread, nexts = [], {}
        for partition in partitions:
            partition.offset = positions[partition.topic, partition.partition]
            if partition.offset == OFFSET_INVALID:
                partition.offset, begins = self._first_offset(consumer, partition)
                unread.append(partition)
            else:
                begins = partition.offset
            nexts[partition.topic, partition.partition] = begins
        consumer.assign(partitions)
        self._next = nexts
        if unread and self._from_now_on:
            # Its first start is this one, also where it stops before anything comes.
            consumer.commit(offsets=unread, asynchronous=False)
        self.assigned = [f"{partition.topic}[{partition.partition}]" for partition in partitions]
        _log.info("partitions_assigned", group=self.name, partitions=self.assigned)

    def _first_offset(self, consumer: Consumer, partition: TopicPartition) -> tuple[int, int]:
        """Return where to begin in a partition that was never read, and which offset that is."""
        begins, end = edges_of(consumer, partition)
        # What retention removes meanwhile is no position that was lost.
        return (end, end) if self._from_now_on else (OFFSET_BEGINNING, begins)

    def _revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._commit()
        self._lost(consumer, partitions)

    def _lost(self, consumer: Consumer, _: list[TopicPartition]) -> None:
        """Forget partitions that the group has taken away: nothing can be committed for them."""
        consumer.unassign()
        self._uncommitted = False
        self._next = {}
        self.queue.finished()
        self.assigned = None


def _inbound(message: Message) -> InboundRecord:
    return InboundRecord(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=message.key(),
        value=message.value(),
        headers=_headers(message),
    )


def _settings(group: str, member: str, position_lost: str) -> dict[str, str | int | bool]:
    return {
        "group.id": group,
        # A killed writer that comes back keeps its partitions, without a rebalance.
        "group.instance.id": member,
        "session.timeout.ms": 6000,
        "heartbeat.interval.ms": 1000,
        # A database outage is waited out in the middle of a batch, however long.
        "max.poll.interval.ms": 86_400_000,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        # With "error" a position that is no longer in the topic ends the process and says so.
        "auto.offset.reset": position_lost,
    }


def _after(message: Message) -> int:
    return (message.offset() or 0) + 1


def _headers(message: Message) -> dict[str, bytes | None]:
    """Return a record's headers; none where the name of one is not text, so that it is reported."""
    try:
        return dict(message.headers() or ())
    except (SystemError, UnicodeDecodeError):
        return {}
