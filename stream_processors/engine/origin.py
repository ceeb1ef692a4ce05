"""Which event a record comes from: the headers that say so, from the outbox to the ledger.

The connector writes the event's identity as `id`, time and trace beside it; what our processes
write says `eventId`, since its own identity is another. Both are handed on as they came.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_processors.engine.messages import InboundRecord

EVENT_ID = "eventId"
CREATED_AT = "createdAt"
TRACEPARENT = "traceparent"

_CONNECTOR_EVENT_ID = "id"
# The connector's are shorter, the longest that domain_events takes as a traceparent included. What
# somebody else put beside domain_events must not make a report of it too large for Kafka.
_BYTES_MAX = 1_024


@dataclass(frozen=True, slots=True)
class Origin:
    """The event that a record comes from, as the record says; None for what it does not say.

    event_id: a uuid, as text. created_at: when the event was inserted, in RFC 3339. traceparent:
    the event's W3C trace context, or that of the span which handled it last. Nothing of it is
    checked: whoever produced the record wrote it.
    """

    event_id: bytes | None
    created_at: bytes | None
    traceparent: bytes | None

    @property
    def headers(self) -> tuple[tuple[str, bytes], ...]:
        """Return what each record that is caused by this one carries."""
        said = (
            (EVENT_ID, self.event_id),
            (CREATED_AT, self.created_at),
            (TRACEPARENT, self.traceparent),
        )
        return tuple((name, value) for name, value in said if value is not None)

    def within(self, traceparent: bytes) -> Origin:
        """Return the same event, as seen from another span of its trace."""
        return Origin(self.event_id, self.created_at, traceparent)


def origin_of(record: InboundRecord) -> Origin:
    """Return which event a record comes from, whether the connector wrote it or a process of ours.

    What is too long to be the connector's is left out.
    """
    headers = record.headers
    event_id = headers.get(EVENT_ID) or headers.get(_CONNECTOR_EVENT_ID)
    return Origin(
        _bounded(event_id), _bounded(headers.get(CREATED_AT)), _bounded(headers.get(TRACEPARENT))
    )


def _bounded(value: bytes | None) -> bytes | None:
    return value if value is not None and len(value) <= _BYTES_MAX else None
