"""Reports of records that no rule could be applied to, with the record itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Literal

from schemas import codec, topics
from schemas.records import ExceptionReport
from stream_processors.engine.messages import OutboundRecord

if TYPE_CHECKING:
    from stream_processors.engine.messages import InboundRecord

RecordReason = Literal["undecodable", "unknown_event_type", "unprocessable"]


def record_report(
    reason: RecordReason,
    record: InboundRecord,
    error: str,
    event_id: str | None,
) -> OutboundRecord:
    """Report a record that can't be used, as a dead letter that holds all of it.

    The subject is the record's position, topic[partition]@offset, as nothing in it can be trusted.
    """
    report = ExceptionReport(
        reason=reason,
        subject=record.position,
        source_event_id=event_id,
        standing=True,
        basis=0,
        error=error,
        record=json.dumps(record.as_json()).encode(),
    )
    return report_record(report)


def report_record(report: ExceptionReport) -> OutboundRecord:
    """Return the dead letter of a report, keyed by subject so that its reports stay in order."""
    return OutboundRecord(
        topics.DEAD_LETTERS.name,
        report.subject.encode(),
        codec.encode(report),
    )
