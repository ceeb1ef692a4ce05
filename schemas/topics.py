"""The catalogue of topics. Brokers create none by themselves: schemas/topic_creation.py does.

Keys are partitioned by murmur2. The topics that one agent reads and keeps state for have the same
number of partitions, so that a key's facts lie with its events.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PARTITIONS = 4  # of everything that sessions and packages pass through

_HOUR_MS = 60 * 60 * 1000
_DAY_MS = 24 * _HOUR_MS
_UNLIMITED = -1
_MESSAGE_BYTES_MAX = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: `key` says what its records are keyed by; -1 as `retention_ms` keeps them all.

    `replication_factor`: on how many brokers each partition lies; of those, `min_insync_replicas`
    must have a record before it counts as delivered.
    """

    name: str
    key: str
    partitions: int
    cleanup_policy: str
    retention_ms: int
    extra: Mapping[str, str] = field(default_factory=dict)
    replication_factor: int = 1
    min_insync_replicas: int = 1

    @property
    def config(self) -> dict[str, str]:
        """Return the topic's configuration, as Kafka names and writes it."""
        return {
            "cleanup.policy": self.cleanup_policy,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(_MESSAGE_BYTES_MAX),
            "min.insync.replicas": str(self.min_insync_replicas),
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


@dataclass(frozen=True, slots=True)
class Scale:
    """What a cluster is given more of than the one broker of a laptop.

    `partitions`: of everything that sessions and packages pass through; see Topic for the others.
    """

    partitions: int = PARTITIONS
    replication_factor: int = 1
    min_insync_replicas: int = 1


def scaled(topics: Iterable[Topic], scale: Scale) -> tuple[Topic, ...]:
    """Return topics as a cluster of that scale has them; what has one partition keeps one."""
    return tuple(
        replace(
            topic,
            partitions=scale.partitions if topic.partitions == PARTITIONS else topic.partitions,
            replication_factor=scale.replication_factor,
            min_insync_replicas=scale.min_insync_replicas,
        )
        for topic in topics
    )
