"""What the agents have done, counted a batch at a time, once all it caused is in Kafka."""

from __future__ import annotations

from collections import Counter as Tally
from typing import TYPE_CHECKING, get_args

from prometheus_client import Counter, Histogram

from schemas import topics
from schemas.codec import EVENT_TYPES
from schemas.records import SessionCompleted, SessionEvaluated, SessionVoided
from stream_processors.billing.exceptions import ConflictReason
from stream_processors.billing.payables import SubjectKind
from stream_processors.engine.messages import REFUSALS, RecordReason

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream_processors.engine.messages import InboundRecord, OutboundRecord

PROCESSED = "processed"
REFUSED = "refused"
_UNKNOWN = "unknown"
# What is in the header others may have written: a label must not be made up.
_EVENT_TYPES = {event_type.encode(): event_type for event_type in EVENT_TYPES}

EVENTS_PROCESSED = Counter(
    "event_processed",
    "Events that the processors have decided on; refused: no rule could be applied to it.",
    ("event_type", "status"),
)
BATCH_DURATION = Histogram(
    "outbox_batch_duration_seconds",
    "From taking up a batch until all it caused was in Kafka and in the state.",
    ("agent",),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PAYABLES_EMITTED = Counter(
    "outbox_payables_emitted",
    "Payables sent to the ledger writer, by kind; withdrawn: what is owed no more. Every delivery "
    "of an event says its payable again.",
    ("kind",),
)
EXCEPTIONS_REPORTED = Counter(
    "outbox_exceptions_reported",
    "Exceptions reported to the ledger writer. Every delivery of an event says them again.",
    ("reason",),
)

WITHDRAWN = "withdrawn"

# What has not happened yet happened zero times: so the first time is an increase.
for _status in (PROCESSED, REFUSED):
    for _event_class in (SessionCompleted, SessionEvaluated, SessionVoided):
        EVENTS_PROCESSED.labels(_event_class.event_type, _status)
for _kind in (*get_args(SubjectKind), WITHDRAWN):
    PAYABLES_EMITTED.labels(_kind)
for _reason in (*get_args(RecordReason), *get_args(ConflictReason)):
    EXCEPTIONS_REPORTED.labels(_reason)

_COUNTERS = {
    topics.PAYABLES.name: PAYABLES_EMITTED,
    topics.DEAD_LETTERS.name: EXCEPTIONS_REPORTED,
}


def count_batch(steps: Iterable[tuple[InboundRecord, Sequence[OutboundRecord]]]) -> None:
    """Count a batch: its events, and what each record caused."""
    events: Tally[tuple[str, str]] = Tally()
    emitted: Tally[tuple[str, str]] = Tally()
    for record, outputs in steps:
        counted = [
            (output.topic, output.counted_as) for output in outputs if output.counted_as is not None
        ]
        emitted.update(counted)
        if record.topic in topics.EVENT_TOPICS:
            refused = any(counted_as in REFUSALS for _, counted_as in counted)
            event_type = _EVENT_TYPES.get(record.headers.get("eventType") or b"", _UNKNOWN)
            events[event_type, REFUSED if refused else PROCESSED] += 1
    for (event_type, status), count in events.items():
        EVENTS_PROCESSED.labels(event_type, status).inc(count)
    for (topic, counted_as), count in emitted.items():
        _COUNTERS[topic].labels(counted_as).inc(count)
