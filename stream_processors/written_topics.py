"""What the processors call the topics that they write: theirs alone, where they run on trial.

Processors under another application id than the usual one write nothing that the ledger writer, or
the usual processors, read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from schemas import topics
from stream_processors.groups import PROCESSORS_GROUP

if TYPE_CHECKING:
    from schemas.topics import Topic

CHANGELOGS = (topics.SESSION_FACTS_CHANGELOG, topics.PACKAGE_FACTS_CHANGELOG)
_WRITTEN = (topics.PACKAGE_SESSIONS, topics.PAYABLES, topics.DEAD_LETTERS, *CHANGELOGS)


def written_topics(application_id: str) -> dict[str, Topic]:
    """Return each topic that the processors of an application write, by its usual name."""
    if application_id == PROCESSORS_GROUP:
        return {topic.name: topic for topic in _WRITTEN}
    return {topic.name: replace(topic, name=f"{application_id}.{topic.name}") for topic in _WRITTEN}
