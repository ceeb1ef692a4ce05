"""Where processors begin that are to make their state anew: all of them, also those on trial."""

from datetime import UTC, datetime

from operations.rebuild.cluster import Cluster
from schemas.topics import (
    EVENTS_SESSION,
    PACKAGE_FACTS_CHANGELOG,
    PACKAGE_SESSIONS,
    SESSION_FACTS_CHANGELOG,
)
from stream_processors.engine.genesis import Genesis
from stream_processors.written_topics import written_topics


def move_to_beginning(cluster: Cluster, group: str) -> None:
    """Let processors read the events from the first that Kafka has.

    What the sessions agent told the packages agent before, it says again: that is passed over.
    """
    told = written_topics(group)[PACKAGE_SESSIONS.name].name
    first = cluster.positions.begins([EVENTS_SESSION.name])
    cluster.move(group, {**first, **cluster.positions.ends([told])})


def begin_changelogs(cluster: Cluster, group: str, *, complete: bool = True) -> None:
    """Begin new changelogs. They say that a person wanted it so, and of which topics they are.

    That is why processors that find nothing in them but events that were processed, or removed,
    take them for what they are, and not for lost ones. One that is not `complete` they refuse; it
    is begun once more when it is.
    """
    written = written_topics(group)
    rebuilt_at = datetime.now(UTC).isoformat(timespec="seconds")
    for changelog, source in (
        (SESSION_FACTS_CHANGELOG, EVENTS_SESSION),
        (PACKAGE_FACTS_CHANGELOG, written[PACKAGE_SESSIONS.name]),
    ):
        source_id = cluster.ids([source.name])[source.name]
        genesis = Genesis(source_id, rebuilt_at, complete)
        cluster.begin_changelog(written[changelog.name], genesis)
