"""`billing_exceptions`: what could not be billed, kept until a retry or a person settles it."""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, get_args

from schemas.records import Payable
from stream_processors.billing.exceptions import ConflictReason
from stream_processors.engine.messages import RecordReason
from stream_processors.ledger.checking import fault_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from schemas.records import ExceptionReport, PayableWithdrawn
    from stream_processors.engine.messages import InboundRecord

PayableReason = Literal[
    "price_missing", "database_unavailable", "timeout", "ledger_conflict", "unprocessable"
]

# Of a bill, rather than of an event or a record.
BILL_REASONS = list(get_args(PayableReason))
REASONS = tuple(sorted({*BILL_REASONS, *get_args(RecordReason), *get_args(ConflictReason)}))
STATUSES = ("retrying", "failed", "resolved", "dismissed")
OPEN_STATUSES = ("retrying", "failed")
TRANSIENT_REASONS = frozenset({"price_missing", "database_unavailable", "timeout"})
# After the first, the second and the third try; a fourth that fails is the last.
RETRY_SECONDS = (2, 4, 8)

# Fixed for ever: the ids of exceptions derive from it.
_EXCEPTION_NAMESPACE = uuid.UUID("0c5f0b0e-6a0b-5d0f-9c7e-3a3b8f1c9d52")

_KIND_OF_SUBJECT = {
    "session_conflict": "session",
    "package_conflict": "package",
    "package_exceeded": "package",
}

# A redelivery changes nothing: neither the attempts, nor what a person decided. Only a report
# that rests on more facts than the last brings a settled exception back; but not the excess
# session that a person decided to bill singly (its exception holds that payable since). The
# exception of a bill says what the events say by now, and comes back where they say it again; a
# ledger_conflict that was settled by these facts never comes here (posting.py).
_RECORD = """
    INSERT INTO billing_exceptions (
        id, reason, status, attempts, next_attempt_at, last_error, subject, kind,
        source_event_id, basis, record
    )
    VALUES (
        %(id)s, %(reason)s, %(status)s, 1,
        CASE WHEN %(status)s = 'retrying'
             THEN clock_timestamp() + make_interval(secs => %(retry_seconds)s) END,
        %(error)s, %(subject)s, %(kind)s, %(event)s, %(basis)s, %(record)s
    )
    ON CONFLICT (id) DO UPDATE
    SET status = excluded.status, attempts = excluded.attempts,
        next_attempt_at = excluded.next_attempt_at, last_error = excluded.last_error,
        basis = excluded.basis, record = excluded.record
    WHERE billing_exceptions.status <> 'dismissed'
      AND CASE
          WHEN excluded.reason = ANY(%(bill_reasons)s) AND excluded.kind IS NOT NULL THEN
              billing_exceptions.status = 'resolved'
              OR billing_exceptions.record IS DISTINCT FROM excluded.record
          ELSE excluded.basis > billing_exceptions.basis
              AND NOT (excluded.reason = 'package_exceeded'
                       AND billing_exceptions.record ? 'payable')
      END
"""
_WITHDRAW = """
    UPDATE billing_exceptions
    SET status = 'resolved', basis = %(basis)s,
        resolution = CASE WHEN status = 'resolved' THEN resolution
                          ELSE 'withdrawn: ' || %(error)s END,
        -- What a person decided to bill was not posted yet, and is not to be.
        record = CASE WHEN status <> 'resolved' AND record ? 'payable' THEN record - 'payable'
                      ELSE record END
    WHERE id = %(id)s AND basis <= %(basis)s AND status <> 'dismissed'
"""
# Of one bill only what was said of it last can be tried again.
_PUT_TO_REST = """
    UPDATE billing_exceptions
    SET status = 'resolved', resolution = %(resolution)s
    WHERE subject = ANY(%(subjects)s)
      AND (kind, subject) IN (SELECT * FROM unnest(%(kinds)s::text[], %(subjects)s::text[]))
      AND reason = ANY(%(reasons)s)
      AND status IN ('retrying', 'failed')
      AND id <> ALL(%(kept)s)
"""


@dataclass(frozen=True, slots=True)
class BillingException:
    """A row of `billing_exceptions` to be; `record` is what could not be billed, as JSON."""

    reason: str
    subject: str
    kind: str | None
    source_event_id: str | None
    error: str
    record: dict[str, Any]
    basis: int = 0

    @property
    def id(self) -> uuid.UUID:
        """The same reason, subject and event give the same exception."""
        return exception_id(self.reason, self.subject, self.source_event_id)

    @classmethod
    def of_payable(
        cls,
        reason: PayableReason,
        payable: Payable,
        error: str,
    ) -> BillingException:
        """Return the exception of a payable that could not be posted."""
        return cls(
            reason=reason,
            subject=subject_of(payable),
            kind=payable.kind,
            source_event_id=payable.source_event_id,
            error=error,
            record={"payable": _payable_as_json(payable)},
        )

    @classmethod
    def of_withdrawn(cls, withdrawn: PayableWithdrawn, error: str) -> BillingException:
        """Return the exception of a bill that is posted and owed no more."""
        return cls(
            reason="ledger_conflict",
            subject=withdrawn.subject,
            kind=withdrawn.kind,
            source_event_id=withdrawn.source_event_id,
            error=error,
            record={"ledger_id": withdrawn.ledger_id},
        )

    @classmethod
    def of_record(cls, reason: str, record: InboundRecord, error: str) -> BillingException:
        """Return the exception of a record that is no payable, report or receipt at all."""
        return cls(
            reason=reason,
            subject=record.position,
            kind=None,
            source_event_id=None,
            error=error,
            record=record.as_json(),
        )

    @classmethod
    def of_report(cls, report: ExceptionReport) -> BillingException:
        """Return the exception that a processor reported."""
        return cls(
            reason=report.reason,
            subject=report.subject,
            kind=_KIND_OF_SUBJECT.get(report.reason),
            source_event_id=report.source_event_id,
            error=report.error,
            record=json.loads(report.record),
            basis=report.basis,
        )


def subject_of(payable: Payable) -> str:
    """Return the id of the session or package that a payable is for."""
    return payable.session_id or payable.service_package_id or ""


def exception_id(reason: str, subject: str, source_event_id: str | None) -> uuid.UUID:
    """Return the id of an exception: uuid5 of reason, subject and event."""
    return uuid.uuid5(_EXCEPTION_NAMESPACE, "\0".join((reason, subject, source_event_id or "")))


def record_exceptions(
    connection: psycopg.Connection,
    exceptions: Sequence[BillingException],
) -> list[BillingException]:
    """Write exceptions inside the caller's transaction; one that is there stays as it is.

    Returns those that were written.
    """
    recorded = []
    for exception in sorted(exceptions, key=lambda each: each.id):
        transient = exception.reason in TRANSIENT_REASONS
        written = connection.execute(
            _RECORD,
            {
                "id": exception.id,
                "reason": exception.reason,
                "bill_reasons": BILL_REASONS,
                "status": "retrying" if transient else "failed",
                "retry_seconds": RETRY_SECONDS[0],
                "error": exception.error.replace("\0", "�"),
                "subject": exception.subject.replace("\0", "�"),
                "kind": exception.kind,
                "event": exception.source_event_id,
                "basis": exception.basis,
                "record": _jsonb(exception.record),
            },
        )
        if written.rowcount:
            recorded.append(exception)
    return recorded


def put_to_rest(
    connection: psycopg.Connection,
    subjects: Sequence[tuple[str, str]],
    resolution: str,
    *,
    reasons: Sequence[str] = BILL_REASONS,
    kept: Sequence[BillingException] = (),
) -> None:
    """Resolve the open exceptions of bills, given by kind and subject, but for those `kept`."""
    if subjects:
        connection.execute(
            _PUT_TO_REST,
            {
                "kinds": [kind for kind, _ in subjects],
                "subjects": [subject for _, subject in subjects],
                "resolution": resolution,
                "reasons": list(reasons),
                "kept": [exception.id for exception in kept],
            },
        )


def withdraw_exception(connection: psycopg.Connection, report: ExceptionReport) -> None:
    """Resolve an exception that its subject's facts no longer bear out, unless newer ones do."""
    connection.execute(
        _WITHDRAW,
        {
            "id": exception_id(report.reason, report.subject, report.source_event_id),
            "basis": report.basis,
            "error": report.error,
        },
    )


def payable_from_json(record: Any) -> Payable:
    """Return the payable that an exception holds, perhaps edited by a person.

    Raises ValueError where it holds none, or one that can't be posted.
    """
    try:
        fields = dict(record["payable"])
        fields["occurred_at"] = datetime.fromisoformat(fields["occurred_at"])
        if not isinstance(fields["session_ids"], list):
            raise TypeError("session_ids is no list")  # noqa: TRY301 - as whatever else is wrong
        fields["session_ids"] = tuple(fields["session_ids"])
        payable = Payable(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"it holds no payable: {type(error).__name__}: {error}") from error
    fault = fault_of(payable)
    if fault is not None:
        raise ValueError(f"it holds no payable that can be posted: {fault}")
    return payable


def _payable_as_json(payable: Payable) -> dict[str, Any]:
    fields = asdict(payable)
    fields["occurred_at"] = payable.occurred_at.isoformat()
    fields["session_ids"] = list(payable.session_ids)
    return fields


def _jsonb(record: dict[str, Any]) -> str:
    return json.dumps(_without_nul(record))


def _without_nul(value: Any) -> Any:
    """Return JSON that jsonb takes: it cannot hold NUL, which becomes U+FFFD."""
    match value:
        case str():
            return value.replace("\0", "\ufffd")
        case dict():
            return {_without_nul(name): _without_nul(each) for name, each in value.items()}
        case list():
            return [_without_nul(each) for each in value]
        case _:
            return value
