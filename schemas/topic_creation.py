"""Making a cluster's topics as the catalogue has them, and telling where they differ."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from schemas.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schemas.brokers import Brokers
    from schemas.topics import Topic

REQUEST_TIMEOUT_SECONDS = 15.0
_POLL_SECONDS = 0.05


def connect(brokers: Brokers) -> AdminClient:
    """Return an admin client."""
    # What it logs when it is given up is no news to anybody.
    return AdminClient({**brokers.client, "log_level": 3})


def create_missing_topics(
    brokers: Brokers,
    topics: Sequence[Topic] = TOPICS,
    *,
    admin: AdminClient | None = None,
) -> list[str]:
    """Create the topics that are not there, and return their names; those there stay as they are.

    Safe to run twice at once. Raises ConnectionError where no broker answers, RuntimeError where
    the broker refuses a topic.
    """
    admin = admin or connect(brokers)
    there = _shapes(admin, brokers)
    wanted = [
        NewTopic(topic.name, topic.partitions, topic.replication_factor, config=topic.config)
        for topic in topics
        if topic.name not in there
    ]
    if not wanted:
        return []
    created = []
    creations = admin.create_topics(wanted, operation_timeout=REQUEST_TIMEOUT_SECONDS)
    for name, creation in creations.items():
        try:
            creation.result()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                continue  # another process was quicker, with the same catalogue
            raise RuntimeError(
                f"Kafka at {brokers} refused to create the topic {name}: {error}",
            ) from error
        created.append(name)
    _wait_until_listed(brokers, admin, [topic.topic for topic in wanted])
    return created


def verify_topics(
    brokers: Brokers,
    topics: Sequence[Topic] = TOPICS,
    *,
    admin: AdminClient | None = None,
) -> list[str]:
    """Return where the broker's topics differ from the catalogue, a sentence each; [] is fine.

    Raises ConnectionError where no broker answers.
    """
    admin = admin or connect(brokers)
    there = _shapes(admin, brokers)
    differences = [f"{topic.name} does not exist" for topic in topics if topic.name not in there]
    present = [topic for topic in topics if topic.name in there]
    configurations = _configurations(admin, [topic.name for topic in present], brokers)
    for topic in present:
        actual = configurations[topic.name]
        shape = there[topic.name]
        if shape.partitions != topic.partitions:
            differences.append(
                f"{topic.name} has {shape.partitions} partitions, not {topic.partitions}",
            )
        if shape.replication_factor != topic.replication_factor:
            differences.append(
                f"{topic.name} has {shape.replication_factor} copies of a partition, not "
                f"{topic.replication_factor}",
            )
        differences += [
            f"{topic.name} has {name}={actual.get(name)}, not {value}"
            for name, value in topic.config.items()
            if actual.get(name) != value
        ]
    return differences


def set_back(admin: AdminClient, topics: Sequence[Topic] = TOPICS) -> None:
    """Give every one of these topics that is there the settings of the catalogue.

    Never done by itself: a retention that somebody lengthened would be shortened without a word.
    """
    there = admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS).topics
    alter(admin, {topic.name: topic.config for topic in topics if topic.name in there})


def alter(admin: AdminClient, settings: Mapping[str, Mapping[str, str]]) -> None:
    """Give topics settings, by topic and name; those that are not named stay."""
    resources = [
        ConfigResource(
            ResourceType.TOPIC,
            topic,
            incremental_configs=[
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in values.items()
            ],
        )
        for topic, values in settings.items()
    ]
    answers = admin.incremental_alter_configs(resources, request_timeout=REQUEST_TIMEOUT_SECONDS)
    for answer in answers.values():
        answer.result(2 * REQUEST_TIMEOUT_SECONDS)


def topic_ids(admin: AdminClient, names: Sequence[str]) -> dict[str, str]:
    """Return Kafka's own id of each topic that exists, by name.

    A topic that is deleted and made again has another one. Raises KafkaException where Kafka does
    not answer.
    """
    asked = admin.describe_topics(
        TopicCollection(list(names)), request_timeout=REQUEST_TIMEOUT_SECONDS
    )
    found = {}
    for name, answer in asked.items():
        try:
            found[name] = str(answer.result().topic_id)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                raise
    return found


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a broker tells of a topic; of its partitions, the one with the fewest copies."""

    partitions: int
    replication_factor: int


def _listed(admin: AdminClient, brokers: Brokers) -> Any:
    try:
        return admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise _unreachable(brokers, error) from error


def _shapes(admin: AdminClient, brokers: Brokers) -> dict[str, _Shape]:
    return {
        name: _Shape(
            len(topic.partitions),
            min((len(partition.replicas) for partition in topic.partitions.values()), default=0),
        )
        for name, topic in _listed(admin, brokers).topics.items()
    }


def _wait_until_listed(brokers: Brokers, admin: AdminClient, created: Sequence[str]) -> None:
    """Wait until every broker knows what the controller has created: a busy one lags behind.

    Whoever asks next may come to any of them.
    """
    deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
    for broker in _listed_by(admin, brokers, created, deadline).brokers.values():
        one = replace(brokers, addresses=f"{broker.host}:{broker.port}")
        _listed_by(connect(one), one, created, deadline)


def _listed_by(admin: AdminClient, broker: Brokers, created: Sequence[str], deadline: float) -> Any:
    while missing := set(created) - (listed := _listed(admin, broker)).topics.keys():
        if time.monotonic() > deadline:
            raise ConnectionError(
                f"Kafka has created {', '.join(sorted(missing))}, and {broker} does "
                f"not list it after {REQUEST_TIMEOUT_SECONDS:.0f} s; is the broker overloaded?",
            )
        time.sleep(_POLL_SECONDS)
    return listed


def _configurations(
    admin: AdminClient,
    names: list[str],
    brokers: Brokers,
) -> dict[str, dict[str, Any]]:
    if not names:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = admin.describe_configs(resources, request_timeout=REQUEST_TIMEOUT_SECONDS)
    try:
        return {
            resource.name: {name: entry.value for name, entry in answer.result().items()}
            for resource, answer in answers.items()
        }
    except KafkaException as error:
        raise _unreachable(brokers, error) from error


def _unreachable(brokers: Brokers, error: Exception) -> ConnectionError:
    return ConnectionError(
        f"Kafka at {brokers} does not answer: {error}; is it up, is that its address?",
    )
