"""Events that never reached Kafka: those without a receipt, once that can be said for certain."""

import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

from operations.reconcile.comparison import events_without_receipt, still_without_receipt
from operations.reconcile.positions import Positions
from operations.reconcile.settings import ReconcileSettings
from operations.reconcile.stages import Passage, Sleep, Stage, wait_until_passed
from schemas.topics import EVENT_TOPICS
from stream_processors.groups import RECEIPTS_GROUP

_POLL_SECONDS = 0.5
RECEIPTS = Stage("The ledger writer", RECEIPTS_GROUP, EVENT_TOPICS)


@dataclass(frozen=True, slots=True)
class Delivery:
    """Which events are undelivered; `late` says why it cannot be known, where that is so."""

    undelivered: set[UUID]
    late: Passage | None = None


def find_undelivered(
    connection: psycopg.Connection,
    positions: Positions,
    patience: ReconcileSettings,
    window: tuple[datetime | None, datetime | None] = (None, None),
    sleep: Sleep = time.sleep,
) -> Delivery:
    """Find the events of a window that have been committed for a while and are not in Kafka.

    created_at is not the commit: a long transaction shows events that look old. So candidates are
    given the whole time again from when they were first seen; and what the ledger writer has not
    read yet is not called undelivered. Waits only where there is a candidate.
    """
    candidates = events_without_receipt(connection, patience.delivery_grace_seconds, *window)
    deadline = time.monotonic() + patience.delivery_grace_seconds
    while candidates and time.monotonic() < deadline:
        sleep(_POLL_SECONDS)
        candidates = still_without_receipt(connection, candidates)
    if not candidates:
        return Delivery(set())
    ends = positions.ends(RECEIPTS.topics)
    passage = wait_until_passed(positions, RECEIPTS, ends, patience.wait_seconds, sleep=sleep)
    if passage.behind:
        return Delivery(set(), passage)
    return Delivery(still_without_receipt(connection, candidates))
