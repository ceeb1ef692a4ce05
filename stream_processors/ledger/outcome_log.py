"""What became of each record, in the log of the ledger writer: after the commit, as it is then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schemas.records import Payable, PayableWithdrawn
from stream_processors.engine.event_log import followed, ids_of, log_followed
from stream_processors.ledger.exceptions import BillingException, subject_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from stream_processors.engine.messages import InboundRecord
    from stream_processors.ledger.posting import Posting

Said = tuple["InboundRecord", Payable | PayableWithdrawn]
"""A record of billing.payables, and what it says."""

Unbilled = tuple["InboundRecord", BillingException]
"""A record, and the exception that it became."""


def log_posting(log: Any, said: Sequence[Said], posting: Posting) -> list[InboundRecord]:
    """Write the lines of a batch that was posted; return the records that became exceptions."""
    last = {_bill(content): record for record, content in said}
    unbilled = [
        (last[exception.kind, exception.subject], exception) for exception in posting.exceptions
    ]
    log_exceptions(log, unbilled)
    refused = [record for record, _ in unbilled]
    settled = {record.position for record in refused}
    posted = set(posting.posted)
    contents = {record.position: content for record, content in said}
    for record in followed(log, (record for record, _ in said)):
        content = contents[record.position]
        if record.position not in settled:
            log_followed(
                log,
                _line(content, posted),
                record,
                aggregate=_bill(content),
                ledger_id=content.ledger_id,
                source_event_id=content.source_event_id,
            )
            # Said twice in one batch, it was posted by the first.
            posted.discard(content.ledger_id)
    return refused


def log_exceptions(log: Any, unbilled: Iterable[Unbilled]) -> None:
    """Write a line of each record that became an exception, sampled or not.

    What is wrong stands in the exception: its text may quote a payload.
    """
    for record, exception in unbilled:
        log.warning(
            "exception_recorded",
            **ids_of(record, (exception.kind, exception.subject if exception.kind else None)),
            exception_id=str(exception.id),
            reason=exception.reason,
            subject=exception.subject,
            source_event_id=exception.source_event_id,
        )


def _line(content: Payable | PayableWithdrawn, posted: set[str]) -> str:
    if isinstance(content, PayableWithdrawn):
        return "payable_withdrawn"
    return "entry_posted" if content.ledger_id in posted else "payable_known"


def _bill(content: Payable | PayableWithdrawn) -> tuple[str | None, str | None]:
    subject = content.subject if isinstance(content, PayableWithdrawn) else subject_of(content)
    return content.kind, subject
