"""Receipts: which events were seen in Kafka, and where. Proof of delivery, not of effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from stream_processors.engine.event_log import followed, log_followed
from stream_processors.ledger.counting import count_exceptions, count_receipts
from stream_processors.ledger.exceptions import BillingException, record_exceptions
from stream_processors.ledger.identity import Receipt, read_receipt
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
    RETURNING extract(epoch FROM published_at - event_created_at)::float8
"""


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
    delays_seconds, recorded = database.run(
        lambda connection: _write(connection, receipts, exceptions), patient=True
    )
    count_receipts(delays_seconds)
    count_exceptions(recorded)
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


def _write(
    connection: psycopg.Connection,
    receipts: Sequence[Receipt],
    strangers: Sequence[BillingException],
) -> tuple[list[float], list[BillingException]]:
    """Return how long each event was on its way whose receipt is new, and what was recorded."""
    written = connection.execute(
        _RECEIVE,
        {
            "events": [receipt.event_id for receipt in receipts],
            "created": [receipt.created_at for receipt in receipts],
            "topics": [receipt.record.topic for receipt in receipts],
            "partitions": [receipt.record.partition for receipt in receipts],
            "offsets": [receipt.record.offset for receipt in receipts],
        },
    )
    delays_seconds = [delay_seconds for (delay_seconds,) in written]
    return delays_seconds, record_exceptions(connection, strangers)
