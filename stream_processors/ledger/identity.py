"""What the headers of an event's record say: which event it is, and when it was recorded.

Apart from what counts receipts: who reads these headers and is not the ledger writer has no such
counters.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stream_processors.engine.messages import InboundRecord


@dataclass(frozen=True, slots=True)
class Receipt:
    """An event's identity, as its headers give it, and where it lies in Kafka."""

    event_id: uuid.UUID
    created_at: datetime
    record: InboundRecord


def read_receipt(record: InboundRecord) -> Receipt | None:
    """Return what a record's headers say of its event; None where they do not name one."""
    created_at = instant(record.headers.get("createdAt"))
    try:
        event_id = uuid.UUID((record.headers.get("id") or b"").decode())
    except ValueError:
        return None
    return None if created_at is None else Receipt(event_id, created_at, record)


def instant(text: bytes | None) -> datetime | None:
    """Return the instant that a header createdAt names; None where it names none."""
    try:
        time = datetime.fromisoformat((text or b"").decode())
        # PostgreSQL knows no offset beyond 15:59, so it is told the instant alone.
        return None if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
