"""Where topics end, and how far consumer groups have read them."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from operations.failures import UnreachableError
from schemas import asking
from schemas.brokers import Brokers
from stream_processors.groups import PROCESSORS_GROUP

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
    """Asks Kafka as a member of a group would, which it never joins.

    librdkafka's client for administrators ends the whole process where the broker dies that keeps a
    group's positions (issues 3663 and 4605), and goes on asking for a partition's end in the name
    of a leader that is no more: tests/servers/test_cluster.py.

    Every method raises UnreachableError where Kafka does not answer in time.
    """

    def __init__(self, brokers: Brokers, timeout_seconds: float) -> None:
        self._brokers = brokers
        self._timeout_seconds = timeout_seconds
        self._members: dict[str, Consumer] = {}

    def ends(self, topics: Iterable[str]) -> Offsets:
        """See Positions. Raises UnreachableError for a topic that is not there, too."""
        return {partition: end for partition, (_, end) in self._edges(topics).items()}

    def begins(self, topics: Iterable[str]) -> Offsets:
        """Return where each partition begins: the offset of the first record it still has."""
        return {partition: begin for partition, (begin, _) in self._edges(topics).items()}

    def committed(self, group: str, partitions: Iterable[Partition]) -> Offsets:
        """See Positions."""
        asked = list(partitions)
        return {**dict.fromkeys(asked, 0), **self.held(group, asked)}

    def held(self, group: str, partitions: Iterable[Partition]) -> Offsets:
        """Return what a group has committed; a partition without a position is left out."""
        wanted = [TopicPartition(*partition) for partition in partitions]
        if not wanted:
            return {}
        try:
            found = asking.committed(self._member(group), wanted, self._timeout_seconds)
        except KafkaException as error:
            raise self._unreachable(error) from error
        # A negative offset stands for "none".
        return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}

    def _edges(self, topics: Iterable[str]) -> Mapping[Partition, tuple[int, int]]:
        # Of any group: the processors' is one that whoever asks this may ask about.
        member = self._member(PROCESSORS_GROUP)
        wanted = [(name, number) for name in topics for number in self._partitions(member, name)]
        try:
            return {
                partition: asking.edges_of(
                    member, TopicPartition(*partition), self._timeout_seconds
                )
                for partition in wanted
            }
        except KafkaException as error:
            raise self._unreachable(error) from error

    def _member(self, group: str) -> Consumer:
        if group not in self._members:
            settings = {"group.id": group, "enable.auto.commit": False}
            # Silent: its own log would repeat, on standard error, what is raised here.
            self._members[group] = Consumer({**self._brokers.client, **settings, "log_level": 0})
        return self._members[group]

    def _partitions(self, member: Consumer, topic: str) -> list[int]:
        try:
            found = member.list_topics(topic, timeout=self._timeout_seconds).topics[topic]
        except KafkaException as error:
            raise self._unreachable(error) from error
        if found.error is not None:
            raise UnreachableError(
                f"The topic {topic} cannot be read at {self._brokers}: {found.error}. "
                "`outbox up` creates the topics of the local stack."
            )
        return list(found.partitions)

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"Kafka at {self._brokers} does not answer: {error}. Without the processors' "
            "positions nothing can be judged: see `outbox status`, start it with `outbox up`."
        )
