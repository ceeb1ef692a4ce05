"""Reading a table's changelog, and checking that no position it rests on has been lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition
from confluent_kafka import KafkaError as Error
from confluent_kafka.admin import AdminClient

from schemas.asking import committed, edges_of
from schemas.topic_creation import topic_ids
from stream_processors.engine.genesis import GENESIS_KEY, Genesis
from stream_processors.engine.logs import KAFKA_LOG

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BATCH_RECORDS = 10_000
_TIMEOUT_SECONDS = 30.0
MEND = (
    "Nothing was acknowledged. Run `outbox rebuild --replace`: it makes the state anew, from "
    "events that it sends again where Kafka no longer has them."
)


class RecordsPassedOver(Exception):  # noqa: N818 - a state of this process, not of the system
    """Records that Kafka holds were not handed to this process; a new one is handed them."""


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
        self._kafka = dict(kafka)
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
        self._ids: dict[str, str] = {}

    @property
    def topic_id(self) -> str:
        """Kafka's id of the changelog topic; raises PositionLost where there is none."""
        return self._id_of(self.topic)

    @property
    def source_id(self) -> str:
        """Kafka's id of the source topic; raises PositionLost where there is none."""
        return self._id_of(self.source_topic)

    @property
    def _consumer(self) -> Consumer:
        if self._connection is None:
            self._connection = Consumer(self._settings, logger=KAFKA_LOG)
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
        low, end = edges_of(self._consumer, start)
        if not low <= position <= end:
            raise PositionLost(
                f"the local copy of {self.topic}[{partition}] is whole up to offset {position}, "
                f"but the topic now holds {low} to {end}: it was truncated or made anew. {MEND}"
            )
        if position == end:
            return
        self._consumer.assign([start])
        try:
            yield from self._read_to(end)
        finally:
            self._consumer.unassign()

    def genesis(self, partition: int) -> Genesis | None:
        """Return what the changelog was begun for; None where that is not known."""
        for rows, _ in self.read(partition, 0):
            for key, value in rows:
                if key == GENESIS_KEY:
                    return Genesis.of(value)
        return None

    def check_source(self, partition: int) -> int:
        """Return up to which offset the source topic was processed.

        Raises PositionLost where it no longer holds what was not.
        """
        self._require_topics()
        source = TopicPartition(self.source_topic, partition)
        (position,) = committed(self._consumer, [source])
        processed = 0 if position.offset == OFFSET_INVALID else position.offset
        low, end = edges_of(self._consumer, source)
        if not low <= processed <= end:
            raise PositionLost(
                f"{self.source_topic}[{partition}] was processed up to offset {processed}, but "
                f"the topic now holds {low} to {end}: events between were removed, or the topic "
                f"was made anew. {MEND}"
            )
        log = TopicPartition(self.topic, partition)
        _, log_end = edges_of(self._consumer, log)
        if processed > 0 and log_end == 0:
            raise PositionLost(
                f"{self.source_topic}[{partition}] was processed up to offset {processed}, but "
                f"its changelog {self.topic}[{partition}] is empty: the state is lost. {MEND}"
            )
        return processed

    def check_begun_for_source(self, partition: int, genesis: Genesis) -> None:
        """Check that the facts are all there, and of the topic that is there now; see PositionLost.

        A topic that is deleted takes its groups' offsets along: a new one of its name would be
        read from its beginning as if nothing had ever been processed.
        """
        if not genesis.complete:
            raise PositionLost(
                f"the facts in {self.topic}[{partition}] are not all there: a rebuild was broken "
                f"off. {MEND}"
            )
        if genesis.source_topic_id != self.source_id:
            raise PositionLost(
                f"the facts in {self.topic}[{partition}] are of a topic {self.source_topic} with "
                f"the id {genesis.source_topic_id}, but the one there now has the id "
                f"{self.source_id}: it was deleted and made anew, and what was not processed of "
                f"the old one is lost. {MEND}"
            )

    def check_skipped(self, partition: int, expected: int, found: int) -> None:
        """Check that Kafka itself has nothing between the offset `expected` next and that `found`.

        Transaction markers and compaction leave gaps, a retried fetch gives offsets again. Raises
        PositionLost for records that were removed, and for a topic that was made anew;
        RecordsPassedOver for those that are there.
        """
        source = TopicPartition(self.source_topic, partition)
        low, end = edges_of(self._consumer, source)
        if not low <= expected <= end:
            raise PositionLost(
                f"{self.source_topic}[{partition}] was read up to offset {expected}, but the "
                f"topic now holds {low} to {end}: events between were removed unread, or the "
                f"topic was made anew. {MEND}"
            )
        first = self._first_record(source.partition, expected) if expected < found else None
        if first is not None and first < found:
            raise RecordsPassedOver(
                f"{self.source_topic}[{partition}]: the record at offset {found} came next, but "
                f"there is one at {first} that never came. Nothing was acknowledged: the process "
                "ends, and reads both when it starts anew."
            )

    def _first_record(self, partition: int, offset: int) -> int | None:
        """Return the offset of the source's first record from `offset` on, None without one."""
        self._consumer.assign([TopicPartition(self.source_topic, partition, offset)])
        try:
            message = self._consumer.poll(_TIMEOUT_SECONDS)
            if message is None:
                raise TimeoutError(
                    f"{self.source_topic}: nothing came in {_TIMEOUT_SECONDS} s from {offset} on"
                )
            error = message.error()
            if error is not None and error.code() == Error._PARTITION_EOF:  # noqa: SLF001
                return None
            if error is not None:
                raise KafkaException(error)
            found: int = message.offset()
            return found
        finally:
            self._consumer.unassign()

    def close(self) -> None:
        """Give up the connection until it is needed again, which is seldom.

        librdkafka puts a consumer that is not polled for five minutes out of use.
        """
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._ids = {}

    def _id_of(self, topic: str) -> str:
        self._require_topics()
        return self._ids[topic]

    def _require_topics(self) -> None:
        """Ask for the ids of both topics, unless that was done since `close`."""
        if not self._ids:
            wanted = (self.source_topic, self.topic)
            found = topic_ids(AdminClient(self._kafka, logger=KAFKA_LOG), wanted)
            for topic in wanted:
                if topic not in found:
                    raise PositionLost(f"the topic {topic} does not exist: it was deleted. {MEND}")
            self._ids = found

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
