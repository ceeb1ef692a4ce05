"""The catalogue of topics, and their creation. Brokers create none by themselves.

Keys are partitioned by murmur2. The topics that one agent reads and keeps state for have the same
number of partitions, so that a key's facts lie with its events.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PARTITIONS = 4  # of everything that sessions and packages pass through
REQUEST_TIMEOUT_SECONDS = 15.0
_POLL_SECONDS = 0.05

_HOUR_MS = 60 * 60 * 1000
_DAY_MS = 24 * _HOUR_MS
_UNLIMITED = -1
_MESSAGE_BYTES_MAX = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: `key` says what its records are keyed by; -1 as `retention_ms` keeps them all."""

    name: str
    key: str
    partitions: int
    cleanup_policy: str
    retention_ms: int
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def config(self) -> dict[str, str]:
        """Return the topic's configuration, as Kafka names and writes it."""
        return {
            "cleanup.policy": self.cleanup_policy,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(_MESSAGE_BYTES_MAX),
            **self.extra,
        }


EVENTS_SESSION = Topic("events.session", "sessionId", PARTITIONS, "delete", _UNLIMITED)
EVENTS_CONTRACT = Topic("events.contract", "contractId", PARTITIONS, "delete", _UNLIMITED)
EVENTS_USER = Topic("events.user", "userId", 1, "delete", _UNLIMITED)
PACKAGE_SESSIONS = Topic(
    "billing.package-sessions",
    "servicePackageId",
    PARTITIONS,
    "delete",
    30 * _DAY_MS,
)
PAYABLES = Topic(
    "billing.payables",
    "ledger id",
    PARTITIONS,
    "compact",
    _UNLIMITED,
    # A payable is said again with every event of its subject: whoever watches sees a week of that.
    {"min.compaction.lag.ms": str(7 * _DAY_MS)},
)
DEAD_LETTERS = Topic("billing.dead-letters", "subject", 1, "delete", _UNLIMITED)
# Named as Faust names the changelog of a table: <app id>-<table>-changelog.
SESSION_FACTS_CHANGELOG = Topic(
    "outbox-billing-session_facts-changelog",
    "fact",
    PARTITIONS,
    "compact",
    _UNLIMITED,
)
PACKAGE_FACTS_CHANGELOG = Topic(
    "outbox-billing-package_facts-changelog",
    "fact",
    PARTITIONS,
    "compact",
    _UNLIMITED,
)
# The connector says here that it is alive: it moves the slot on while the outbox is idle. Without
# this topic its producer would wait for ever.
CONNECTOR_HEARTBEATS = Topic("connector.heartbeats", "server name", 1, "delete", _HOUR_MS)

TOPICS: tuple[Topic, ...] = (
    EVENTS_SESSION,
    EVENTS_CONTRACT,
    EVENTS_USER,
    PACKAGE_SESSIONS,
    PAYABLES,
    DEAD_LETTERS,
    SESSION_FACTS_CHANGELOG,
    PACKAGE_FACTS_CHANGELOG,
    CONNECTOR_HEARTBEATS,
)

EVENT_TOPICS: tuple[str, ...] = tuple(
    topic.name for topic in TOPICS if topic.name.startswith("events.")
)
"""What the outbox is routed to, by aggregate type."""


def connect(bootstrap_servers: str, settings: Mapping[str, str] | None = None) -> AdminClient:
    """Return an admin client; `settings` are librdkafka's, for TLS and SASL."""
    # What it logs when it is given up is no news to anybody.
    return AdminClient({"bootstrap.servers": bootstrap_servers, "log_level": 3, **(settings or {})})


def create_missing_topics(
    bootstrap_servers: str,
    topics: Sequence[Topic] = TOPICS,
    *,
    replication_factor: int = 1,
    admin: AdminClient | None = None,
) -> list[str]:
    """Create the topics that are not there, and return their names; those there stay as they are.

    Safe to run twice at once. Raises ConnectionError where no broker answers, RuntimeError where
    the broker refuses a topic.
    """
    admin = admin or connect(bootstrap_servers)
    there = _partition_counts(admin, bootstrap_servers)
    wanted = [
        NewTopic(topic.name, topic.partitions, replication_factor, config=topic.config)
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
                f"Kafka at {bootstrap_servers} refused to create the topic {name}: {error}",
            ) from error
        created.append(name)
    _wait_until_listed(admin, bootstrap_servers, created)
    return created


def verify_topics(
    bootstrap_servers: str,
    topics: Sequence[Topic] = TOPICS,
    *,
    admin: AdminClient | None = None,
) -> list[str]:
    """Return where the broker's topics differ from the catalogue, a sentence each; [] is fine.

    Raises ConnectionError where no broker answers.
    """
    admin = admin or connect(bootstrap_servers)
    there = _partition_counts(admin, bootstrap_servers)
    differences = [f"{topic.name} does not exist" for topic in topics if topic.name not in there]
    present = [topic for topic in topics if topic.name in there]
    configurations = _configurations(admin, [topic.name for topic in present], bootstrap_servers)
    for topic in present:
        actual = configurations[topic.name]
        if there[topic.name] != topic.partitions:
            differences.append(
                f"{topic.name} has {there[topic.name]} partitions, not {topic.partitions}",
            )
        differences += [
            f"{topic.name} has {name}={actual.get(name)}, not {value}"
            for name, value in topic.config.items()
            if actual.get(name) != value
        ]
    return differences


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


def _partition_counts(admin: AdminClient, bootstrap_servers: str) -> dict[str, int]:
    try:
        metadata = admin.list_topics(timeout=REQUEST_TIMEOUT_SECONDS)
    except KafkaException as error:
        raise _unreachable(bootstrap_servers, error) from error
    return {name: len(topic.partitions) for name, topic in metadata.topics.items()}


def _wait_until_listed(admin: AdminClient, bootstrap_servers: str, created: Sequence[str]) -> None:
    """Wait until the broker knows what its controller has created; a busy one lags behind."""
    deadline = time.monotonic() + REQUEST_TIMEOUT_SECONDS
    while missing := set(created) - _partition_counts(admin, bootstrap_servers).keys():
        if time.monotonic() > deadline:
            raise ConnectionError(
                f"Kafka at {bootstrap_servers} has created {', '.join(sorted(missing))} and does "
                f"not list it after {REQUEST_TIMEOUT_SECONDS:.0f} s; is the broker overloaded?",
            )
        time.sleep(_POLL_SECONDS)


def _configurations(
    admin: AdminClient,
    names: list[str],
    bootstrap_servers: str,
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
        raise _unreachable(bootstrap_servers, error) from error


def _unreachable(bootstrap_servers: str, error: Exception) -> ConnectionError:
    return ConnectionError(
        f"Kafka at {bootstrap_servers} does not answer: {error}; is it up, is that its address?",
    )
