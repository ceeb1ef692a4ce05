"""Reading a table's changelog, and checking that no position it rests on has been lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as Error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BATCH_RECORDS = 10_000
_TIMEOUT_SECONDS = 30.0


class PositionLost(Exception):  # noqa: N818 - a state of the system that a person must see
    """A position in a topic no longer means what it meant; going on would lose facts."""


class Changelog:
    """The changelog topic of one table, beside the source topic that its facts come from.

    `group` is the consumer group whose committed offsets tell how far the source was processed.
    """

    def __init__(
        self,
        topic: str,
        source_topic: str,
        group: str,
        kafka: Mapping[str, str | int],
    ) -> None:
        self.topic = topic
        self.source_topic = source_topic
        # It never joins the group: it only reads what the group committed.
        self._settings = {
            **kafka,
            "group.id": group,
            "enable.auto.commit": False,
            # A position outside the log is a fault to report, never a place to start from.
            "auto.offset.reset": "error",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
        }
        self._connection: Consumer | None = None

    @property
    def _consumer(self) -> Consumer:
        if self._connection is None:
            self._connection = Consumer(self._settings)
        return self._connection

    def read(
        self,
        partition: int,
        position: int,
    ) -> Iterator[tuple[list[tuple[bytes, bytes]], int]]:
        """Yield (rows, position after them) from `position` to the present end.

        Raises PositionLost when the log ends before `position` or begins after it.
        """
        start = TopicPartition(self.topic, partition, position)
        low, end = self._consumer.get_watermark_offsets(start, timeout=_TIMEOUT_SECONDS)
        if not low <= position <= end:
            raise PositionLost(
                f"the local copy of {self.topic}[{partition}] is whole up to offset {position}, "
                f"but the topic now holds {low} to {end}: it was truncated or made anew. Run "
                "`outbox rebuild`; nothing was acknowledged."
            )
        if position == end:
            return
        self._consumer.assign([start])
        try:
            yield from self._read_to(end)
        finally:
            self._consumer.unassign()

    def check_source(self, partition: int) -> bool:
        """Check that the source topic still holds what is not processed; see PositionLost.

        Returns whether the changelog partition is new: nothing was ever processed or stored.
        """
        source = TopicPartition(self.source_topic, partition)
        committed = self._consumer.committed([source], timeout=_TIMEOUT_SECONDS)[0].offset
        processed = 0 if committed == OFFSET_INVALID else committed
        low, end = self._consumer.get_watermark_offsets(source, timeout=_TIMEOUT_SECONDS)
        if not low <= processed <= end:
            raise PositionLost(
                f"{self.source_topic}[{partition}] was processed up to offset {processed}, but "
                f"the topic now holds {low} to {end}: events between were removed, or the topic "
                "was made anew. Run `outbox reconcile` to see what is missing."
            )
        log = TopicPartition(self.topic, partition)
        _, log_end = self._consumer.get_watermark_offsets(log, timeout=_TIMEOUT_SECONDS)
        if processed > 0 and log_end == 0:
            raise PositionLost(
                f"{self.source_topic}[{partition}] was processed up to offset {processed}, but "
                f"its changelog {self.topic}[{partition}] is empty: the state is lost. Run "
                "`outbox rebuild`."
            )
        return bool(log_end == 0)

    def check_skipped(self, partition: int, expected: int) -> None:
        """Check that the offset `expected` next was skipped by Kafka itself.

        Transaction markers and compaction leave gaps, a retried fetch gives offsets again; raises
        PositionLost for records that were removed, and for a topic that was made anew.
        """
        source = TopicPartition(self.source_topic, partition)
        low, end = self._consumer.get_watermark_offsets(source, timeout=_TIMEOUT_SECONDS)
        if not low <= expected <= end:
            raise PositionLost(
                f"{self.source_topic}[{partition}] was read up to offset {expected}, but the "
                f"topic now holds {low} to {end}: events between were removed unread, or the "
                "topic was made anew. Run `outbox reconcile` to see what is missing."
            )

    def close(self) -> None:
        """Give up the connection until it is needed again, which is seldom.

        librdkafka puts a consumer that is not polled for five minutes out of use.
        """
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read_to(self, end: int) -> Iterator[tuple[list[tuple[bytes, bytes]], int]]:
        position = -1
        while position < end:
            first = self._consumer.poll(_TIMEOUT_SECONDS)
            if first is None:
                raise TimeoutError(
                    f"{self.topic}: nothing came in {_TIMEOUT_SECONDS} s while reading it back"
                )
            # What else is there: with a timeout, `consume` would wait for a batch to fill.
            messages = [first, *self._consumer.consume(_BATCH_RECORDS, timeout=0)]
            rows: list[tuple[bytes, bytes]] = []
            for message in messages:
                error = message.error()
                if error is not None and error.code() == Error._PARTITION_EOF:  # noqa: SLF001
                    position = message.offset()
                elif error is not None:
                    raise KafkaException(error)
                else:
                    position = message.offset() + 1
                    rows.append((message.key(), message.value()))
            yield rows, position
