"""Reports of records that no rule could be applied to, with the record itself."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from schemas import codec, topics
from schemas.records import ExceptionReport
from stream_processors.engine.messages import OutboundRecord

if TYPE_CHECKING:
    from stream_processors.engine.messages import InboundRecord, RecordReason

# A dead letter must fit into a record of 2 MiB, whatever it reports: one that can't be sent
# would end the process at its record for ever.
_RECORD_BYTES_MAX = 1_900_000
_ERROR_CHARACTERS_MAX = 2_000
_KEPT_BYTES = 8_192
_KEPT_HEADERS = 20


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
        error=error[:_ERROR_CHARACTERS_MAX],
        record=_content(record),
    )
    return report_record(report)


def report_record(report: ExceptionReport) -> OutboundRecord:
    """Return the dead letter of a report, keyed by subject so that its reports stay in order."""
    return OutboundRecord(
        topics.DEAD_LETTERS.name,
        report.subject.encode(),
        codec.encode(report),
        # One that no longer holds reports nothing.
        counted_as=report.reason if report.standing else None,
    )


def _content(record: InboundRecord) -> bytes:
    """Return the record as JSON; of one too large for that, how it begins and where it stands."""
    whole = json.dumps(record.as_json()).encode()
    if len(whole) <= _RECORD_BYTES_MAX:
        return whole
    beginning = replace(
        record,
        key=_beginning(record.key),
        value=_beginning(record.value),
        headers={
            name[:_KEPT_BYTES]: _beginning(value)
            for name, value in islice(record.headers.items(), _KEPT_HEADERS)
        },
    )
    cut = f"{len(whole)} bytes as JSON are too many: all of it stands at {record.position}"
    return json.dumps({**beginning.as_json(), "cut": cut}).encode()


def _beginning(content: bytes | None) -> bytes | None:
    return None if content is None else content[:_KEPT_BYTES]
