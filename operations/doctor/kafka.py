"""What Kafka tells: topics and their settings, who reads them, and where these stand."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from operations.doctor.finding import Finding, fault, fine, warning
from operations.output import SILENT
from operations.reconcile.positions import KafkaPositions, Partition
from schemas.brokers import Brokers
from schemas.topic_creation import verify_topics
from schemas.topics import TOPICS, Scale, scaled
from stream_processors.groups import LEDGER_WRITER_READS, PROCESSORS_GROUP, PROCESSORS_READ

TIMEOUT_SECONDS = 5.0
MANY_RECORDS = 10_000
_SECOND_LOOK_SECONDS = 3.0
_REBUILD = "`outbox rebuild --replace`"
READERS = {
    PROCESSORS_GROUP: ("the stream processors", PROCESSORS_READ),
    **{group: ("the ledger writer", read) for group, read in LEDGER_WRITER_READS.items()},
}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that answers.

    `topics`: the names of those there are; `scale`: what they should be like.
    """

    brokers: Brokers
    admin: AdminClient
    positions: KafkaPositions
    topics: frozenset[str]
    scale: Scale


def look_at_cluster(brokers: Brokers, scale: Scale) -> Cluster:
    """Ask for the cluster's topics; raises KafkaException where no broker answers in time."""
    admin = AdminClient({**brokers.client, "log_level": 4}, logger=SILENT)
    names = frozenset(admin.list_topics(timeout=TIMEOUT_SECONDS).topics)
    return Cluster(brokers, admin, KafkaPositions(brokers, TIMEOUT_SECONDS), names, scale)


def topics(cluster: Cluster) -> Iterator[Finding]:
    """Whether every topic is there, with the settings of the catalogue."""
    missing = [topic.name for topic in TOPICS if topic.name not in cluster.topics]
    for name in missing:
        yield fault(
            "topics",
            f"{name} does not exist: whoever writes to it waits, and what it held is gone",
            f"`outbox up` makes it empty; then {_REBUILD}",
        )
    wanted = scaled(TOPICS, cluster.scale)
    present = [topic for topic in wanted if topic.name in cluster.topics]
    differences = verify_topics(cluster.brokers, present, admin=cluster.admin)
    for difference in differences:
        yield fault("topics", difference, "`outbox setup topics --set-back` sets back what can be")
    if not missing and not differences:
        yield fine("topics", f"{len(TOPICS)} there, with the settings of the catalogue")


def readers(cluster: Cluster) -> Iterator[Finding]:
    """Whether somebody reads each topic."""
    asked = cluster.admin.describe_consumer_groups(list(READERS), request_timeout=TIMEOUT_SECONDS)
    absent = [group for group, answer in asked.items() if not _has_members(answer)]
    for group in absent:
        name, read = READERS[group]
        yield fault(
            "readers",
            f"nobody reads {', '.join(read)} (consumer group {group}): {name} is not running",
            "`outbox status`, then `outbox up`",
        )
    if not absent:
        yield fine("readers", f"{len(READERS)} consumer groups have members")


def _has_members(answer: Future[Any]) -> bool:
    """Whether a group has members; one that is not known has none."""
    try:
        return bool(answer.result(2 * TIMEOUT_SECONDS).members)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
            return False
        raise


def positions(cluster: Cluster, sleep: Callable[[float], None] = time.sleep) -> Iterator[Finding]:
    """Whether each reader stands inside its topics, and moves on where it is behind."""
    complaints = 0
    behind: list[_Behind] = []
    for group, (_, read) in READERS.items():
        there = [topic for topic in read if topic in cluster.topics]
        committed = cluster.positions.committed(group, cluster.positions.begins(there))
        # Asked last: what is committed meanwhile lies before it.
        ends, begins = cluster.positions.ends(there), cluster.positions.begins(there)
        for partition, offset in committed.items():
            if not begins[partition] <= offset <= ends[partition]:
                complaints += 1
                yield _outside(group, partition, offset, begins[partition], ends[partition])
            elif offset < ends[partition]:
                behind.append(_Behind(group, partition, offset, ends[partition]))
    if behind:
        sleep(_SECOND_LOOK_SECONDS)
    for lag in behind:
        now = cluster.positions.committed(lag.group, [lag.partition])[lag.partition]
        for finding in _judge(lag, now):
            complaints += 1
            yield finding
    if not complaints:
        text = f"{len(behind)} partitions were behind and came on" if behind else "all at the end"
        yield fine("positions", text)


@dataclass(frozen=True, slots=True)
class _Behind:
    group: str
    partition: Partition
    committed: int
    end: int


def _outside(group: str, partition: Partition, offset: int, begin: int, end: int) -> Finding:
    (topic, number), (name, _) = partition, READERS[group]
    if offset < begin:
        what = f"the records {offset} to {begin - 1} were removed before {name} had read them"
    else:
        what = f"the topic ends at {end}: it was made anew, and {name} would skip what is in it"
    return fault(
        "positions",
        f"{topic}[{number}] of consumer group {group}: committed is {offset}, but {what}",
        _REBUILD,
    )


def _judge(lag: _Behind, now: int) -> Iterator[Finding]:
    """Judge a lag by whether the reader moved since it was seen."""
    (topic, number), (name, _) = lag.partition, READERS[lag.group]
    left = lag.end - now
    where = f"{topic}[{number}]: {name} (consumer group {lag.group}), {left} records behind"
    if now == lag.committed:
        yield fault("positions", f"{where}, no longer moving", "`outbox status` names the log")
    elif left > MANY_RECORDS:
        yield warning("positions", f"{where}, catching up", "wait, or `outbox up --workers 2`")
