"""Conclusions as records: which topic, which key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas import codec, topics
from schemas.records import Payable
from stream_processors.engine.counting import WITHDRAWN
from stream_processors.engine.messages import OutboundRecord

if TYPE_CHECKING:
    from schemas.records import PackageSession, PayableWithdrawn


def payable_record(owed: Payable | PayableWithdrawn) -> OutboundRecord:
    """Return what is owed, or is no more, as a record, keyed by its ledger id: in order, both."""
    return OutboundRecord(
        topics.PAYABLES.name,
        owed.ledger_id.encode(),
        codec.encode(owed),
        counted_as=owed.kind if isinstance(owed, Payable) else WITHDRAWN,
    )


def package_session_record(session: PackageSession) -> OutboundRecord:
    """Return a session's facts as a record, keyed by the package that they are told to."""
    return OutboundRecord(
        topics.PACKAGE_SESSIONS.name,
        session.service_package_id.encode(),
        codec.encode(session),
    )
