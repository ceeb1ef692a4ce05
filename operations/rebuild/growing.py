"""More partitions for everything that sessions and packages pass through.

A key's partition follows from their number, and a key's facts must lie with its events. So a
session must not have some of its events in a partition of before and some in one of after: its
topic is made anew, and every recorded event is sent into it again. Topics without state (payables,
contracts) just grow.
"""

from operations.failures import ProblemError
from operations.rebuild.cluster import Cluster
from schemas.topics import EVENTS_SESSION, PACKAGE_SESSIONS, PARTITIONS, TOPICS, Scale
from stream_processors.written_topics import CHANGELOGS

_WITH_STATE = (EVENTS_SESSION, PACKAGE_SESSIONS)
_GROWING = tuple(
    topic
    for topic in TOPICS
    if topic.partitions == PARTITIONS and topic not in (*_WITH_STATE, *CHANGELOGS)
)


def require_more(cluster: Cluster, partitions: int) -> Scale:
    """Return the scale with so many partitions; raises ProblemError unless they are more."""
    scale = cluster.scale()
    if partitions <= scale.partitions:
        raise ProblemError(
            f"{EVENTS_SESSION.name} has {scale.partitions} partitions, and Kafka can only make "
            f"more: --partitions must be {scale.partitions + 1} at least. Nothing was changed."
        )
    return Scale(partitions, scale.replication_factor, scale.min_insync_replicas)


def grow(cluster: Cluster, scale: Scale) -> None:
    """Make the topics as large as `scale` says; those with state are empty then.

    Nobody may read them. What it leaves, when it is broken off, stops the processors with a message
    that names `outbox rebuild --replace`. That completes it: topics that are missing are made as
    large as those that are there, and those that only grow have grown first.
    """
    cluster.grow([topic.name for topic in _GROWING], scale.partitions)
    cluster.delete_topics([topic.name for topic in _WITH_STATE])
    cluster.create_missing(_WITH_STATE, scale)
