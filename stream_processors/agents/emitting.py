"""Conclusions as records: which topic, which key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import codec, topics
from stream_processors.engine.messages import OutboundRecord

if TYPE_CHECKING:
    from schemas.records import PackageSession, Payable, PayableWithdrawn
    from stream_processors.engine.messages import InboundRecord

Trace = tuple[tuple[str, bytes], ...]


def trace_of(record: InboundRecord) -> Trace:
    """Return the W3C trace context that a record carries, to be handed on with what it causes."""
    traceparent = record.headers.get("traceparent")
    return () if traceparent is None else (("traceparent", traceparent),)


def payable_record(owed: Payable | PayableWithdrawn, trace: Trace) -> OutboundRecord:
    """Return what is owed, or is no more, as a record, keyed by its ledger id: in order, both."""
    return OutboundRecord(
        topics.PAYABLES.name,
        owed.ledger_id.encode(),
        codec.encode(owed),
        headers=trace,
    )


def package_session_record(session: PackageSession, trace: Trace) -> OutboundRecord:
    """Return a session's facts as a record, keyed by the package that they are told to."""
    return OutboundRecord(
        topics.PACKAGE_SESSIONS.name,
        session.service_package_id.encode(),
        codec.encode(session),
        headers=trace,
    )
