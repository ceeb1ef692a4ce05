"""What a maintenance did, for people and for programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

ADVICE = {
    "undelivered": (
        "Kafka has not had what is undelivered: `outbox connectors status` shows whether the "
        "connector runs, `outbox replay --event ID` sends one event again, `outbox reconcile "
        "--repair` all of them"
    ),
    "in_use": "End the long transactions there, or let the next run try again",
    "not_archived": (
        "Not all of it stays in the archive: rows are still being added to that day, or an event "
        "has the id of another day's event: compare domain_events with archived_events"
    ),
    "dropped_before": (
        "The day was archived and dropped, and then a partition with events was made for it: "
        "find out who did; docs/operations/retention.md says what to do"
    ),
}


@dataclass(frozen=True, slots=True)
class DroppedDay:
    """A day that is in the archive only."""

    day: date
    events: int
    """How many it held."""
    locked_milliseconds: float
    """How long domain_events was locked for it."""


@dataclass(frozen=True, slots=True)
class KeptDay:
    """A day that is old enough to go, and why it did not."""

    day: date
    reason: str
    events: int = 0
    """How many are in the way."""
    event_ids: Sequence[UUID] = ()
    """The first of them."""
    detail: str = ""

    @property
    def message(self) -> str:
        """Return what a person should know, and do."""
        parts = [self.reason.replace("_", " ")]
        if self.events:
            parts.append(counted(self.events))
        parts.extend(str(event) for event in self.event_ids)
        if self.detail:
            parts.append(self.detail)
        return f"{self.day} is kept ({', '.join(parts)}). {ADVICE[self.reason]}."


def counted(events: int) -> str:
    """Return how many events, in words."""
    return f"{events} event{'' if events == 1 else 's'}"


@dataclass(slots=True)
class Maintenance:
    """All of one run. It is fine if no day that should go was kept, and nothing else went wrong."""

    partitions_made: int = 0
    dropped: list[DroppedDay] = field(default_factory=list)
    kept: list[KeptDay] = field(default_factory=list)
    archived: int = 0
    """Events copied to the archive now."""
    strays_moved: int = 0
    """Of them, those that lay in the default partition."""
    receipts_swept: int = 0
    """Second receipts of events that had been archived."""
    seal: Mapping[str, Any] | None = None
    """The seal that was put on the ledger; its `head` is for keeping outside of the database."""
    warnings: list[str] = field(default_factory=list)
    """What will mend itself, or is mended by another run."""
    faults: list[str] = field(default_factory=list)
    """What was not done, besides the days that were kept."""

    @property
    def fine(self) -> bool:
        """Whether nothing is left for a person to do."""
        return not self.kept and not self.faults
