"""Receipts: which events were seen in Kafka, and where. Proof of delivery, not of effect."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from stream_processors.engine.event_log import followed, log_followed
from stream_processors.ledger.exceptions import BillingException, record_exceptions
from stream_processors.ledger.outcome_log import log_exceptions

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from stream_processors.engine.messages import InboundRecord
    from stream_processors.ledger.database import Database
    from stream_processors.ledger.outcome_log import Unbilled

_log = structlog.get_logger(__name__)

# The first delivery counts.
_RECEIVE = """
    INSERT INTO domain_event_deliveries (event_id, event_created_at, topic, partition, "offset")
    SELECT * FROM unnest(
        %(events)s::uuid[], %(created)s::timestamptz[], %(topics)s::text[],
        %(partitions)s::int[], %(offsets)s::bigint[]
    )
    ON CONFLICT DO NOTHING
"""


@dataclass(frozen=True, slots=True)
class Receipt:
    """An event's identity, as its headers give it, and where it lies in Kafka."""

    event_id: uuid.UUID
    created_at: datetime
    record: InboundRecord


def receive(database: Database, records: Sequence[InboundRecord]) -> None:
    """Write a receipt for each event, and an exception for each record that is none."""
    receipts: list[Receipt] = []
    strangers: list[Unbilled] = []
    for record in records:
        receipt = read_receipt(record)
        if receipt is None:
            strangers.append((record, _stranger(record)))
        else:
            receipts.append(receipt)
    exceptions = [exception for _, exception in strangers]
    database.run(lambda connection: _write(connection, receipts, exceptions), patient=True)
    log_exceptions(_log, strangers)
    for record in followed(_log, (receipt.record for receipt in receipts)):
        log_followed(_log, "event_received", record)


def _stranger(record: InboundRecord) -> BillingException:
    return BillingException.of_record(
        "undecodable",
        record,
        f"{record.position} has no header id (a uuid) and createdAt: it does not come from "
        "domain_events; insert the event there",
    )


def read_receipt(record: InboundRecord) -> Receipt | None:
    """Return what a record's headers say of its event; None where they do not name one."""
    try:
        return Receipt(
            event_id=uuid.UUID((record.headers.get("id") or b"").decode()),
            created_at=_aware((record.headers.get("createdAt") or b"").decode()),
            record=record,
        )
    except (ValueError, OverflowError):
        return None


def _aware(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    # PostgreSQL knows no offset beyond 15:59, so it is told the instant alone.
    return time.astimezone(UTC)


def _write(
    connection: psycopg.Connection,
    receipts: Sequence[Receipt],
    strangers: Sequence[BillingException],
) -> None:
    connection.execute(
        _RECEIVE,
        {
            "events": [receipt.event_id for receipt in receipts],
            "created": [receipt.created_at for receipt in receipts],
            "topics": [receipt.record.topic for receipt in receipts],
            "partitions": [receipt.record.partition for receipt in receipts],
            "offsets": [receipt.record.offset for receipt in receipts],
        },
    )
    record_exceptions(connection, strangers)
