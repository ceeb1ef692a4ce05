"""What the ledger writer has done, counted once its transaction is committed.

So what was rolled back is not counted, and what came again and changed nothing neither: a replay
moves no counter but that of the records read.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter as Tally
from typing import TYPE_CHECKING, get_args

from prometheus_client import Counter, Histogram

from stream_processors.billing.payables import SubjectKind
from stream_processors.engine.origin import CREATED_AT
from stream_processors.ledger.exceptions import REASONS, TRANSIENT_REASONS
from stream_processors.ledger.identity import instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from stream_processors.ledger.exceptions import BillingException
    from stream_processors.ledger.outcome_log import Said
    from stream_processors.ledger.posting import Entry, Posting

PUBLISHED = "published"
FAILED = "failed"
_TIME_ORDERED = 7

PUBLISH_DURATION = Histogram(
    "event_publish_duration_seconds",
    "From an event's INSERT until its status in domain_event_status was first published (seen in "
    "Kafka), or failed (a person must look).",
    ("status",),
    buckets=(0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60),
)
COMMIT_TO_LEDGER = Histogram(
    "outbox_commit_to_ledger_seconds",
    "From the INSERT of the event that brought a bill until its entry was posted, by the "
    "database's clock; entries that are posted by a retry are not in it.",
    ("kind",),
    buckets=(
        *(0.005, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.5),
        *(0.75, 1, 2, 5, 10, 30, 60),
    ),
)
ENTRIES_POSTED = Counter(
    "outbox_ledger_entries_posted", "Entries that this process posted to the ledger.", ("kind",)
)
EXCEPTIONS_RECORDED = Counter(
    "outbox_billing_exceptions_recorded",
    "Exceptions that were written: new ones, and those whose bill or facts changed.",
    ("reason",),
)
RECEIPTS = Counter("outbox_receipts", "Events that were seen in Kafka for the first time.")

_TO_LEDGER = {kind: COMMIT_TO_LEDGER.labels(kind) for kind in get_args(SubjectKind)}

# What has not happened yet happened zero times: so the first time is an increase.
for _status in (PUBLISHED, FAILED):
    PUBLISH_DURATION.labels(_status)
for _kind in get_args(SubjectKind):
    ENTRIES_POSTED.labels(_kind)
for _reason in REASONS:
    EXCEPTIONS_RECORDED.labels(_reason)


def count_posting(posting: Posting, said: Sequence[Said]) -> None:
    """Count a batch of payables: its entries, the way of each from its event's commit, the rest."""
    created_at: dict[str, bytes | None] = {}
    for record, content in said:
        created_at.setdefault(content.ledger_id, record.headers.get(CREATED_AT))
    count_entries(posting.entries, created_at)
    count_exceptions(posting.recorded)


def count_entries(entries: Iterable[Entry], created_at: Mapping[str, bytes | None]) -> None:
    """Count entries posted now. created_at: by ledger id, the event's header where it has one."""
    posted: Tally[str] = Tally()
    for entry in entries:
        posted[entry.kind] += 1
        created = instant(created_at.get(entry.id))
        if created is not None:
            seconds = (entry.posted_at - created).total_seconds()
            _TO_LEDGER[entry.kind].observe(max(0.0, seconds))
    for kind, count in posted.items():
        ENTRIES_POSTED.labels(kind).inc(count)


def count_exceptions(recorded: Iterable[BillingException]) -> None:
    """Count exceptions that were written now."""
    for exception in recorded:
        EXCEPTIONS_RECORDED.labels(exception.reason).inc()
        if exception.reason not in TRANSIENT_REASONS:
            count_failed(exception.source_event_id)


def count_failed(event_id: str | None) -> None:
    """Count an event that needs a person from now on; nothing where no event of ours is named."""
    inserted_at = _inserted_at(event_id)
    if inserted_at is not None:
        PUBLISH_DURATION.labels(FAILED).observe(max(0.0, time.time() - inserted_at))


def count_receipts(delays_seconds: Iterable[float]) -> None:
    """Count receipts that were written now, each by how long its event was on its way."""
    published = PUBLISH_DURATION.labels(PUBLISHED)
    count = 0
    for count, delay_seconds in enumerate(delays_seconds, 1):  # noqa: B007 - how many is wanted
        published.observe(max(0.0, delay_seconds))
    RECEIPTS.inc(count)


def _inserted_at(event_id: str | None) -> float | None:
    """Return when an event was inserted, in seconds since 1970: its id begins with the time."""
    identity = None if event_id is None else uuid.UUID(event_id)
    if identity is None or identity.version != _TIME_ORDERED:
        return None
    return (identity.int >> 80) / 1000
