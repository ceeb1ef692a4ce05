"""Which rights on a cluster each role needs, so that none has more: pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from schemas.topics import (
    CONNECTOR_HEARTBEATS,
    DEAD_LETTERS,
    EVENT_TOPICS,
    EVENTS_SESSION,
    EVENTS_USER,
    PACKAGE_FACTS_CHANGELOG,
    PACKAGE_SESSIONS,
    PAYABLES,
    SESSION_FACTS_CHANGELOG,
)
from stream_processors.groups import LEDGER_WRITER_READS, NOTIFICATIONS_GROUP, PROCESSORS_GROUP

Resource = Literal["topic", "group"]
Pattern = Literal["literal", "prefixed"]

CONNECT_TOPICS = "outbox-connect-"
"""What the internal topics of Kafka Connect are called, from the beginning."""
CONNECT_GROUP = "outbox-connect"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a role may do with a topic or a consumer group, or with all that are called so."""

    role: str
    resource: Resource
    name: str
    pattern: Pattern
    operations: tuple[str, ...]


_CHANGELOGS = (SESSION_FACTS_CHANGELOG.name, PACKAGE_FACTS_CHANGELOG.name)


def _topics(role: str, names: Iterable[str], *operations: str) -> list[Grant]:
    return [Grant(role, "topic", name, "literal", operations) for name in names]


def _groups(role: str, names: Iterable[str], *operations: str) -> list[Grant]:
    return [Grant(role, "group", name, "literal", operations) for name in names]


def _all(role: str, resource: Resource, prefixes: Iterable[str], *operations: str) -> list[Grant]:
    return [Grant(role, resource, prefix, "prefixed", operations) for prefix in prefixes]


OURS = ("events.", "billing.", "outbox-", "connector.")
"""What every topic of ours begins with."""

GRANTS: tuple[Grant, ...] = (
    *_topics("connect", (*EVENT_TOPICS, CONNECTOR_HEARTBEATS.name), "WRITE"),
    *_groups("connect", [CONNECT_GROUP], "READ"),
    *_all("connect", "topic", [CONNECT_TOPICS], "READ", "WRITE", "CREATE", "DESCRIBE_CONFIGS"),
    *_groups("worker", [PROCESSORS_GROUP], "READ"),
    *_topics("worker", (EVENTS_SESSION.name,), "READ"),
    *_topics("worker", (PACKAGE_SESSIONS.name, *_CHANGELOGS), "READ", "WRITE"),
    *_topics("worker", (PAYABLES.name, DEAD_LETTERS.name), "WRITE"),
    *_groups("ledger-writer", LEDGER_WRITER_READS, "READ"),
    *_topics("ledger-writer", chain.from_iterable(LEDGER_WRITER_READS.values()), "READ"),
    *_all("notifications", "group", [NOTIFICATIONS_GROUP], "READ"),
    *_topics("notifications", (EVENTS_USER.name,), "READ"),
    *_all("observer", "topic", OURS, "DESCRIBE"),
    *_all("observer", "group", ["outbox-"], "DESCRIBE"),
    *_all("console", "topic", OURS, "DESCRIBE"),
    *_all("console", "group", ["outbox-"], "DESCRIBE"),
    *_topics("console", (EVENTS_SESSION.name, PACKAGE_SESSIONS.name, PAYABLES.name), "WRITE"),
    *_all("operator", "topic", OURS, "ALL"),
    *_all("operator", "group", ["outbox-"], "ALL"),
)
"""`observer`: the connector-keeper and the scheduler. `operator`: whoever runs `outbox`."""

ROLES: tuple[str, ...] = tuple(dict.fromkeys(grant.role for grant in GRANTS))


def principals(chosen: Mapping[str, str]) -> dict[str, str]:
    """Return the principal of each role: as chosen, else `User:outbox-<role>`."""
    return {role: chosen.get(role, f"User:outbox-{role}") for role in ROLES}


def kafka_acls_command(grant: Grant, principal: str) -> str:
    """Return the line for Kafka's own tool that gives a right."""
    operations = [operation.title().replace("_", "") for operation in grant.operations]
    return (
        f"kafka-acls.sh --add --allow-principal '{principal}' --operation {','.join(operations)} "
        f"--{grant.resource} '{grant.name}' --resource-pattern-type {grant.pattern}"
    )
