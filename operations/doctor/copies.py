"""Whether every partition has all its copies in step, and enough of them to be written to."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from operations.doctor.finding import Finding, fault, fine, warning
from operations.doctor.kafka import TIMEOUT_SECONDS, Cluster

_REMEDY = (
    "`outbox status` names a broker that is down: it is started again by itself, and then catches "
    "up; if it does not, its log says why"
)


@dataclass(frozen=True, slots=True)
class _Partition:
    topic: str
    number: int
    brokers: frozenset[int]  # those that are to hold a copy
    in_step: frozenset[int]


def copies(cluster: Cluster) -> Iterator[Finding]:
    """Name the partitions with fewer copies in step than they are to have."""
    partitions = _partitions(cluster.admin)
    behind = [each for each in partitions if each.in_step < each.brokers]
    needed = _needed(cluster.admin, sorted({each.topic for each in behind}))
    by_topic: dict[tuple[str, frozenset[int], int], list[int]] = defaultdict(list)
    for each in behind:
        missing = each.brokers - each.in_step
        by_topic[each.topic, missing, len(each.in_step)].append(each.number)
    for (topic, missing, in_step), numbers in sorted(by_topic.items(), key=str):
        places = ",".join(map(str, sorted(numbers)))
        brokers = ", ".join(f"broker {number}" for number in sorted(missing))
        text = f"{topic}[{places}]: {in_step} of {in_step + len(missing)} copies are in step"
        if in_step < needed[topic]:
            waits = f"{needed[topic]} are needed, so whoever writes there waits"
            yield fault("copies", f"{text}, without {brokers}; {waits}", _REMEDY)
        else:
            yield warning("copies", f"{text}, without {brokers}", _REMEDY)
    if not behind:
        yield fine("copies", _all_in_step(partitions))


def _partitions(admin: AdminClient) -> list[_Partition]:
    topics = admin.list_topics(timeout=TIMEOUT_SECONDS).topics
    return [
        _Partition(name, number, frozenset(each.replicas), frozenset(each.isrs))
        for name, topic in topics.items()
        for number, each in topic.partitions.items()
    ]


def _needed(admin: AdminClient, topics: Sequence[str]) -> dict[str, int]:
    """Return how many copies of each topic must be in step for it to be written to."""
    if not topics:
        return {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in topics]
    answers = admin.describe_configs(resources, request_timeout=TIMEOUT_SECONDS)
    return {
        resource.name: int(answer.result(2 * TIMEOUT_SECONDS)["min.insync.replicas"].value)
        for resource, answer in answers.items()
    }


def _all_in_step(partitions: Sequence[_Partition]) -> str:
    fewest = min((len(each.brokers) for each in partitions), default=0)
    return f"{len(partitions)} partitions have all their copies in step, {fewest} at least"
