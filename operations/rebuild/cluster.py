"""What a rebuild asks and changes in Kafka: topics, where they begin and end, groups' positions."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    Producer,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (
    AdminClient,
    ConfigResource,
    NewPartitions,
    ResourceType,
)

from operations.failures import ProblemError, UnreachableError
from operations.output import SILENT
from operations.reconcile.positions import KafkaPositions, Offsets, Partition
from schemas.brokers import Brokers
from schemas.topic_creation import create_missing_topics, topic_ids
from schemas.topics import PARTITIONS, TOPICS, Scale, Topic, scaled
from stream_processors.engine.genesis import GENESIS_KEY, Genesis

REQUEST_SECONDS = 15.0
_POLL_SECONDS = 0.1
_GONE_SECONDS = 60.0
_ABSENT_GROUP = frozenset({KafkaError.GROUP_ID_NOT_FOUND, KafkaError.INVALID_GROUP_ID})


class Cluster:
    """One Kafka. Every method raises UnreachableError where it does not answer in time."""

    def __init__(self, brokers: Brokers) -> None:
        self.brokers = brokers
        self.positions = KafkaPositions(brokers, REQUEST_SECONDS)
        self._admin = AdminClient(brokers.client, logger=SILENT)

    def committed(self, group: str, topics: Iterable[str]) -> Offsets:
        """Return what a group has committed; a partition without a position is left out."""
        return self.positions.held(group, self.positions.ends(topics))

    def outside(self, group: str, topics: Sequence[str]) -> list[Partition]:
        """Return the partitions of which a group's position is no longer, or not yet, in them."""
        begins, ends = self.positions.begins(topics), self.positions.ends(topics)
        committed = self.committed(group, topics)
        return [
            partition
            for partition, offset in committed.items()
            if not begins[partition] <= offset <= ends[partition]
        ]

    def move(self, group: str, offsets: Offsets) -> None:
        """Set a group's positions; it must have no members."""
        wanted = [TopicPartition(*partition, offset) for partition, offset in offsets.items()]
        asked = self._admin.alter_consumer_group_offsets(
            [ConsumerGroupTopicPartitions(group, wanted)], request_timeout=REQUEST_SECONDS
        )
        for moved in self._answer(asked[group]).topic_partitions:
            if moved.error is not None:
                raise ProblemError(
                    f"The position of {group} in {moved.topic}[{moved.partition}] cannot be "
                    f"moved: {moved.error.str()}. Is one of its members still running?"
                )

    def members(self, group: str) -> list[str]:
        """Return who is in a group, for people: client id and host."""
        asked = self._admin.describe_consumer_groups([group], request_timeout=REQUEST_SECONDS)
        try:
            described = asked[group].result(timeout=2 * REQUEST_SECONDS)
        except KafkaException as error:
            if error.args[0].code() in _ABSENT_GROUP:
                return []
            raise self._unreachable(error) from error
        return [
            f"{member.group_instance_id or member.client_id} at {member.host.lstrip('/')}"
            for member in described.members
        ]

    def wait_until_empty(self, group: str, seconds: float) -> list[str]:
        """Wait until a group has no members; return who is left when patience is at its end.

        A member that ends keeps its place for some seconds, so that one that is restarted takes
        it up again.
        """
        deadline = time.monotonic() + seconds
        while (left := self.members(group)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return left

    def create_missing(self, topics: Sequence[Topic], scale: Scale) -> list[str]:
        """Make those of these topics that are not there, until they can be used; return names."""
        made = create_missing_topics(self.brokers, scaled(topics, scale), admin=self._admin)
        deadline = time.monotonic() + REQUEST_SECONDS
        while made:
            try:
                self.positions.ends(made)
            except UnreachableError:
                # Their partitions have no leader yet.
                if time.monotonic() > deadline:
                    raise
                time.sleep(_POLL_SECONDS)
            else:
                break
        return made

    def scale(self) -> Scale:
        """Return how this Kafka has our topics, by those that are there; without any, the default.

        What is made is made like the others: where a person runs a command need not know it.
        """
        there = self.ids([topic.name for topic in TOPICS if topic.partitions == PARTITIONS])
        if not there:
            return Scale()
        name = next(iter(there))
        partitions = self._partitions(name)
        [configuration] = self._admin.describe_configs(
            [ConfigResource(ResourceType.TOPIC, name)], request_timeout=REQUEST_SECONDS
        ).values()
        return Scale(
            partitions=len(partitions),
            replication_factor=len(partitions[0].replicas),
            min_insync_replicas=int(self._answer(configuration)["min.insync.replicas"].value),
        )

    def _partitions(self, topic: str) -> Sequence[Any]:
        [answer] = self._admin.describe_topics(
            TopicCollection([topic]), request_timeout=REQUEST_SECONDS
        ).values()
        found: Sequence[Any] = self._answer(answer).partitions
        return found

    def ids(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return Kafka's id of each topic that is there."""
        try:
            return topic_ids(self._admin, names)
        except KafkaException as error:
            raise self._unreachable(error) from error

    def grow(self, names: Collection[str], partitions: int) -> None:
        """Let topics have so many partitions; those that have them already stay."""
        sizes = {name: len(self._partitions(name)) for name in self.ids(list(names))}
        wanted = [NewPartitions(name, partitions) for name in sizes if sizes[name] < partitions]
        if not wanted:
            return
        grown = self._admin.create_partitions(wanted, request_timeout=REQUEST_SECONDS)
        for creation in grown.values():
            self._answer(creation)

    def delete_topics(self, names: Collection[str]) -> None:
        """Delete those of these topics that are there, and return once they are gone."""
        there = list(self.ids(list(names)))
        if not there:
            return
        for deletion in self._admin.delete_topics(
            there, operation_timeout=REQUEST_SECONDS, request_timeout=REQUEST_SECONDS
        ).values():
            try:
                deletion.result(timeout=2 * REQUEST_SECONDS)
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise self._unreachable(error) from error
        deadline = time.monotonic() + _GONE_SECONDS
        while left := self.ids(there):
            if time.monotonic() > deadline:
                raise ProblemError(
                    f"Kafka has not deleted {', '.join(left)} in {_GONE_SECONDS:.0f} s. Look at "
                    "its log (`outbox status` names it), then run the same command again."
                )
            time.sleep(_POLL_SECONDS)

    def topics_of(self, prefix: str) -> list[str]:
        """Return the names of the topics that begin with a prefix."""
        try:
            there = self._admin.list_topics(timeout=REQUEST_SECONDS).topics
        except KafkaException as error:
            raise self._unreachable(error) from error
        return sorted(name for name in there if name.startswith(prefix))

    def groups_of(self, prefix: str) -> list[str]:
        """Return the names of the consumer groups that begin with a prefix."""
        listed = self._answer(
            self._admin.list_consumer_groups(request_timeout=REQUEST_SECONDS)
        ).valid
        return sorted(group.group_id for group in listed if group.group_id.startswith(prefix))

    def delete_group(self, group: str, patience_seconds: float) -> None:
        """Forget a consumer group, once it has no members any more."""
        self.wait_until_empty(group, patience_seconds)
        [deletion] = self._admin.delete_consumer_groups(
            [group], request_timeout=REQUEST_SECONDS
        ).values()
        try:
            deletion.result(timeout=2 * REQUEST_SECONDS)
        except KafkaException as error:
            if error.args[0].code() not in _ABSENT_GROUP:
                raise self._unreachable(error) from error

    def begin_changelog(self, topic: Topic, genesis: Genesis) -> None:
        """Write the first record of each of a new changelog's partitions."""
        producer = Producer(
            {
                **self.brokers.client,
                "enable.idempotence": True,
                # What it logs when it is given up goes past the logger.
                "log_level": 3,
            },
            logger=SILENT,
        )
        failures: list[KafkaError] = []
        for _, partition in self.positions.ends([topic.name]):
            producer.produce(
                topic.name,
                genesis.value,
                GENESIS_KEY,
                partition=partition,
                on_delivery=lambda error, _: failures.append(error) if error else None,
            )
        if producer.flush(2 * REQUEST_SECONDS) or failures:
            reason = failures[0].str() if failures else "no answer"
            raise UnreachableError(
                f"{topic.name} could not be begun: {reason}. See `outbox status`, then run the "
                "same command again."
            )

    def _answer(self, future: Any) -> Any:
        try:
            return future.result(timeout=2 * REQUEST_SECONDS)
        except (KafkaException, TimeoutError) as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: Exception) -> UnreachableError:
        return UnreachableError(
            f"Kafka at {self.brokers} does not do what it was asked: {error}. See "
            "`outbox status`; start it with `outbox up`, then run the same command again."
        )
