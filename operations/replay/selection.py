"""What is to be replayed, as somebody said it, and the pages in which it is done."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from operations.output import as_json
from operations.replay.sending import Record

KAFKA, TABLE, ARCHIVE = "kafka", "domain_events", "archive"
"""Where a record is taken from: Kafka as long as it lies there."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which events; what is None or empty restricts nothing. With a topic, nothing else is given.

    since, until: by the events' created_at, until exclusive. from_offset inclusive, to_offset
    exclusive, in each chosen partition.
    """

    since: datetime | None = None
    until: datetime | None = None
    contract: str | None = None
    session: str | None = None
    package: str | None = None
    mentor: str | None = None
    events: Sequence[str] = ()
    topic: str | None = None
    partition: int | None = None
    from_offset: int | None = None
    to_offset: int | None = None

    def given(self) -> dict[str, Any]:
        """Return what was said, by name, as JSON can hold it; nothing for all events."""
        said = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        parsed: dict[str, Any] = json.loads(as_json(said))
        return parsed

    def __str__(self) -> str:
        """As a person reads it."""
        said = self.given()
        if not said:
            return "all events"
        return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in said.items())


@dataclass(frozen=True, slots=True)
class Chosen:
    """One event that is to be sent, and where its record was taken from."""

    event_type: str
    source: str
    record: Record


@dataclass(frozen=True, slots=True)
class Page:
    """Some chosen events in order; a replay that has sent them can go on after `mark`."""

    chosen: Sequence[Chosen]
    mark: Mapping[str, Any]
    left_out: Mapping[str, int]
    """What of this page is not sent, and why: how many by reason."""

    @property
    def read(self) -> int:
        """How many records of the selection it takes care of."""
        return len(self.chosen) + sum(self.left_out.values())


def fingerprint(selection: Selection, *services: str) -> str:
    """Name a replay by what it sends and where: the same words give the same name."""
    said = json.dumps([selection.given(), *services], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]
