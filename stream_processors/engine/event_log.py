"""One event in the logs: a line from each process that it passes, each with the same ids.

A line for each of 500 events a second costs as much as billing them. So at INFO there is one for an
event whose trace is sampled, as its application decided for all of its way; at DEBUG for every
event. What is refused has its line always. No line holds a value of a payload: ids, and where the
rest stands.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from schemas import codec, topics
from schemas.records import ExceptionReport
from stream_processors.engine.origin import TRACEPARENT, origin_of
from stream_processors.engine.trace_context import trace_context

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream_processors.engine.messages import InboundRecord, OutboundRecord
    from stream_processors.engine.trace_context import TraceContext

Aggregate = tuple[str | None, str | None]
"""What a line is about: its type (session, contract, user; package) and its id."""

_EVENTS = "events."


def followed(log: Any, records: Iterable[InboundRecord]) -> list[InboundRecord]:
    """Return the records that are to have a line of their own in `log`, whatever became of them."""
    if log.is_enabled_for(logging.DEBUG):
        return list(records)
    if not log.is_enabled_for(logging.INFO):
        return []
    return [record for record in records if sampled_context(record) is not None]


def sampled_context(record: InboundRecord) -> TraceContext | None:
    """Return the trace that a record belongs to; None where it is not to be recorded."""
    if record.headers.get(TRACEPARENT) is None:
        return None
    context = trace_context(origin_of(record).traceparent)
    return context if context is not None and context.sampled else None


def log_followed(
    log: Any,
    line: str,
    record: InboundRecord,
    *,
    aggregate: Aggregate | None = None,
    **fields: object,
) -> None:
    """Write the line of a record that is followed: at INFO where its trace is sampled."""
    level = logging.DEBUG if sampled_context(record) is None else logging.INFO
    log.log(level, line, **ids_of(record, aggregate), **fields)


def log_processed(
    log: Any, steps: Sequence[tuple[InboundRecord, Sequence[OutboundRecord]]]
) -> list[InboundRecord]:
    """Write the lines of a worker's batch: records, each with what it caused.

    Returns the records that something could not be billed for: each such report has a line.
    """
    caused = {record.position: outputs for record, outputs in steps}
    for record in followed(log, (record for record, _ in steps)):
        log_followed(
            log,
            "event_processed",
            record,
            emitted=[output.topic for output in caused[record.position]],
        )
    return [record for record, outputs in steps if _log_reports(log, record, outputs)]


def _log_reports(log: Any, record: InboundRecord, outputs: Iterable[OutboundRecord]) -> bool:
    standing = False
    for output in outputs:
        if output.topic == topics.DEAD_LETTERS.name:
            report = codec.decode(output.value, ExceptionReport)
            if report.standing:
                standing = True
                log.warning(
                    "exception_reported",
                    **ids_of(record),
                    reason=report.reason,
                    subject=report.subject,
                    source_event_id=report.source_event_id,
                )
    return standing


def ids_of(record: InboundRecord, aggregate: Aggregate | None = None) -> dict[str, str]:
    """Return the fields by which a line about a record is found; none for what it does not say.

    event_id, trace_id and traceparent of the event; aggregate_type and aggregate_id of what the
    record is about, its own key where `aggregate` is not given; position, where it lies in Kafka.
    """
    origin = origin_of(record)
    context = trace_context(origin.traceparent)
    aggregate_type, aggregate_id = aggregate or _aggregate_of(record)
    fields = {
        "event_id": _text(origin.event_id),
        "aggregate_type": aggregate_type,
        "aggregate_id": aggregate_id,
        "trace_id": None if context is None else context.trace_id,
        "traceparent": _text(origin.traceparent),
        "position": record.position,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _aggregate_of(record: InboundRecord) -> Aggregate:
    if record.topic.startswith(_EVENTS):
        return record.topic.removeprefix(_EVENTS), _text(record.key)
    if record.topic.endswith(topics.PACKAGE_SESSIONS.name):
        return "package", _text(record.key)
    return None, None


def _text(value: bytes | None) -> str | None:
    return None if value is None else value.decode(errors="replace")
