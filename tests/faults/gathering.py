"""What is read once the run is over: the journals, and the database's tables as they ended."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import psycopg

from tests.faults.backlog import CONTENT
from tests.faults.evidence import digest
from tests.faults.journal import UNKNOWN, journal_readers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.evidence import Evidence
    from tests.faults.journal import Attempt, JournalReader

INSTANT = "to_char({} AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')"
EVENTS = (
    "SELECT id::text, aggregate_type, aggregate_id, event_type, payload::text FROM domain_events"
)
RECEIPTS = 'SELECT event_id::text, topic, partition, "offset" FROM domain_event_deliveries'
LEDGER = f"""
    SELECT id::text, kind, mentor_id, contract_id, student_id, session_id, service_package_id,
           amount_minor, currency, {INSTANT.format("price_effective_from")},
           {INSTANT.format("occurred_at")}, source_event_id::text, reverses::text,
           (SELECT coalesce(json_agg(session_id ORDER BY session_id COLLATE "C"), '[]')::text
            FROM ledger_entry_sessions WHERE entry_id = entry.id),
           {CONTENT}
    FROM mentor_payable_ledgers AS entry
"""
EXCEPTIONS = (
    "SELECT id::text, reason, status, subject, source_event_id::text FROM billing_exceptions"
)
PRICES = f"""
    SELECT mentor_id, price_code, amount_minor, currency, {INSTANT.format("effective_from")}
    FROM mentor_prices
"""
ROWS_AT_ONCE = 5_000


def gather(url: str, journals: Path, evidence: Evidence) -> None:
    """Read everything, a row at a time."""
    with psycopg.connect(url) as connection:
        evidence.insert("domain_events", _events(connection))
        evidence.insert("receipts", _streamed(connection, RECEIPTS))
        evidence.insert("ledger", _streamed(connection, LEDGER))
        evidence.insert("exceptions", _streamed(connection, EXCEPTIONS))
        evidence.insert("prices", _streamed(connection, PRICES))
    for reader in journal_readers(journals):
        evidence.insert("journal", _journal_rows(reader))
    # Nobody lived to ask: the database is asked now.
    evidence.change(
        "UPDATE journal SET outcome = CASE WHEN id IN (SELECT id FROM domain_events) "
        "THEN 'committed' ELSE 'lost' END WHERE outcome = 'unknown'"
    )


def _streamed(connection: psycopg.Connection, query: str) -> Iterator[Any]:
    with connection.cursor("streamed") as cursor:
        cursor.itersize = ROWS_AT_ONCE
        yield from cursor.execute(query)


def _events(connection: psycopg.Connection) -> Iterator[Any]:
    for *columns, payload in _streamed(connection, EVENTS):
        yield (*columns, digest(json.loads(payload)))


def _journal_rows(reader: JournalReader) -> Iterator[Any]:
    for attempt in reader.settled():
        yield from _rows_of(attempt)
    for attempt in reader.open_attempts.values():
        yield from _rows_of(attempt)


def _rows_of(attempt: Attempt) -> Iterator[Any]:
    for place, event in enumerate(attempt.events):
        yield (
            event.id,
            attempt.lane,
            place,
            event.aggregate_type,
            event.aggregate_id,
            event.event_type,
            json.dumps(event.payload),
            digest(event.payload),
            attempt.begun_at,
            math.inf if attempt.outcome == UNKNOWN else attempt.ended_at,
            attempt.outcome,
        )
