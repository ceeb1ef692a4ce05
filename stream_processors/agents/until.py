"""An agent for whom the time after some instant has not come yet."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stream_processors.engine.fact_table import PendingFacts
    from stream_processors.engine.messages import InboundRecord, OutboundRecord
    from stream_processors.engine.processing import Agent


class UntilAgent:
    """Passes over the events that were created after `until`; all else is the other agent's."""

    def __init__(self, agent: Agent, until: datetime) -> None:
        self._agent = agent
        self._until = until

    def handle(self, record: InboundRecord, facts: PendingFacts) -> Iterable[OutboundRecord]:
        """Return what follows from a record, if it was there at that time."""
        created_at = _created_at(record)
        if created_at is not None and created_at > self._until:
            return ()
        return self._agent.handle(record, facts)

    def quarantine(self, record: InboundRecord, deaths: int) -> OutboundRecord:
        """Return the report of a record that ended the process `deaths` times."""
        return self._agent.quarantine(record, deaths)


def _created_at(record: InboundRecord) -> datetime | None:
    """Return when the event was recorded; None where the record does not say."""
    try:
        created_at = datetime.fromisoformat((record.headers.get("createdAt") or b"").decode())
    except ValueError:
        return None
    return created_at if created_at.tzinfo is not None else None
