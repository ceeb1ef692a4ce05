"""Where topics end, and how far consumer groups have read them."""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from operations.failures import UnreachableError
from operations.output import SILENT
from schemas.brokers import Brokers

Partition = tuple[str, int]
"""A topic and the number of one of its partitions."""

Offsets = Mapping[Partition, int]


class Positions(Protocol):
    """What reconciliation asks Kafka."""

    def ends(self, topics: Iterable[str]) -> Offsets:
        """Return where each partition of the topics ends: the offset of its next record."""

    def committed(self, group: str, partitions: Iterable[Partition]) -> Offsets:
        """Return what a group has committed: the offset it reads next; 0 where it has nothing."""


class KafkaPositions:
    """Asks a broker. Every method raises UnreachableError where it does not answer in time."""

    def __init__(self, brokers: Brokers, timeout_seconds: float) -> None:
        self._brokers = brokers
        self._timeout_seconds = timeout_seconds
        # Kept: a client that is given up takes its open questions along. Silent: its own log would
        # repeat, on standard error, what is raised here.
        self._admin = AdminClient({**brokers.client, "log_level": 4}, logger=SILENT)

    def ends(self, topics: Iterable[str]) -> Offsets:
        """See Positions. Raises UnreachableError for a topic that is not there, too."""
        return self._offsets(topics, OffsetSpec.latest())

    def begins(self, topics: Iterable[str]) -> Offsets:
        """Return where each partition begins: the offset of the first record it still has."""
        return self._offsets(topics, OffsetSpec.earliest())

    def _offsets(self, topics: Iterable[str], which: OffsetSpec) -> Offsets:
        wanted = [
            TopicPartition(name, partition)
            for name in topics
            for partition in self._partitions(name)
        ]
        asked = self._admin.list_offsets(
            dict.fromkeys(wanted, which),
            request_timeout=self._timeout_seconds,
        )
        return {
            (partition.topic, partition.partition): self._answer(future).offset
            for partition, future in asked.items()
        }

    def committed(self, group: str, partitions: Iterable[Partition]) -> Offsets:
        """See Positions."""
        wanted = [TopicPartition(topic, partition) for topic, partition in partitions]
        if not wanted:
            return {}
        asked = self._admin.list_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, wanted)], request_timeout=self._timeout_seconds
        )
        found = self._answer(asked[group]).topic_partitions
        # A negative offset stands for "none".
        return {(one.topic, one.partition): max(one.offset, 0) for one in found}

    def _partitions(self, topic: str) -> list[int]:
        try:
            found = self._admin.list_topics(topic, timeout=self._timeout_seconds).topics[topic]
        except KafkaException as error:
            raise self._unreachable(error) from error
        if found.error is not None:
            raise UnreachableError(
                f"The topic {topic} cannot be read at {self._brokers}: {found.error}. "
                "`outbox up` creates the topics of the local stack."
            )
        return list(found.partitions)

    def _answer(self, future: Any) -> Any:
        try:
            return future.result(timeout=2 * self._timeout_seconds)
        except (KafkaException, TimeoutError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"Kafka at {self._brokers} does not answer: {error}. Without the processors' "
            "positions nothing can be judged: see `outbox status`, start it with `outbox up`."
        )
