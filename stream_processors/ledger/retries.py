"""Retries of what could not be posted for the moment: after 2, 4 and 8 s, then a person decides."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import structlog

from stream_processors.ledger.counting import (
    count_entries,
    count_exceptions,
    count_failed,
)
from stream_processors.ledger.database import Stopped
from stream_processors.ledger.exceptions import (
    RETRY_SECONDS,
    TRANSIENT_REASONS,
    payable_from_json,
    record_exceptions,
)
from stream_processors.ledger.isolation import post_isolated
from stream_processors.ledger.posting import Posting

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from uuid import UUID

    import psycopg

    from stream_processors.ledger.database import Database
    from stream_processors.ledger.exceptions import BillingException

_log = structlog.get_logger(__name__)

_INTERVAL_SECONDS = 0.25

# SKIP LOCKED: two writers at once share the work instead of waiting for each other.
# What is due later than any wait lasts was planned before the server's clock was set back.
_DUE = """
    SELECT id, attempts, record,
           jsonb_build_object(
               'reason', reason, 'event_id', source_event_id,
               'aggregate_type', kind, 'aggregate_id', subject
           ) AS ids
    FROM billing_exceptions
    WHERE status = 'retrying'
      AND (next_attempt_at <= clock_timestamp()
           OR next_attempt_at > clock_timestamp() + make_interval(secs => %s))
    ORDER BY next_attempt_at
    LIMIT 100
    FOR UPDATE SKIP LOCKED
"""
_SETTLE = """
    UPDATE billing_exceptions
    SET status = %(status)s,
        attempts = attempts + 1,
        next_attempt_at = CASE WHEN %(status)s = 'retrying'
            THEN clock_timestamp() + make_interval(secs => %(retry_seconds)s) END,
        last_error = coalesce(%(error)s, last_error),
        resolution = %(resolution)s
    WHERE id = %(id)s
"""


@dataclass(frozen=True, slots=True)
class Retry:
    """What a try came to: the exception's event, what was posted and recorded.

    `first_failed`: from now on it needs a person, and did not before.
    """

    event_id: str | None
    first_failed: bool
    posting: Posting


class RetryLoop(threading.Thread):
    """Tries again, every quarter of a second, what is due."""

    def __init__(
        self,
        database: Database,
        stopping: threading.Event,
        on_fault: Callable[[str, BaseException], None],
    ) -> None:
        super().__init__(name="retries", daemon=True)
        self._database = database
        self._stopping = stopping
        self._on_fault = on_fault

    def run(self) -> None:
        """Retry until the process is asked to end."""
        try:
            while not self._stopping.wait(_INTERVAL_SECONDS):
                count_retries(self._database.run(retry_due, patient=True))
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001 - a silent end would leave payables unpaid
            self._on_fault("retrying exceptions", error)


def count_retries(retries: Iterable[Retry]) -> None:
    """Count what tries came to, once that is committed. How long a bill waited is not counted."""
    for retry in retries:
        count_entries(retry.posting.entries, {})
        count_exceptions(retry.posting.recorded)
        if retry.first_failed:
            count_failed(retry.event_id)


def retry_due(connection: psycopg.Connection) -> list[Retry]:
    """Try every exception that is due once more; return what became of each."""
    due = connection.execute(_DUE, [2 * max(RETRY_SECONDS)]).fetchall()
    return [_retry(connection, *row) for row in due]


def _retry(
    connection: psycopg.Connection,
    exception_id: UUID,
    attempts: int,
    record: object,
    ids: dict[str, Any],
) -> Retry:
    posting = Posting((), ())
    try:
        payable = payable_from_json(record)
    except ValueError as error:
        settled = _settled("failed", error=str(error))
    else:
        posting = post_isolated(connection, payable)
        settled = _outcome(posting, exception_id, attempts)
        # Waiting longer does not help any more: from here on it is another exception.
        became = [each for each in posting.exceptions if _is_another(each, exception_id)]
        posting = replace(posting, recorded=tuple(record_exceptions(connection, became)))
    connection.execute(_SETTLE, {"id": exception_id, **settled})
    # Without the error, which may quote a payload: the exception has it.
    _log.info(
        "exception_retried",
        **ids,
        exception_id=str(exception_id),
        attempt=attempts + 1,
        status=settled["status"],
        resolution=settled["resolution"],
    )
    # One that a person tried again had failed before.
    first = ids["reason"] in TRANSIENT_REASONS and attempts <= len(RETRY_SECONDS)
    return Retry(ids["event_id"], first and settled["status"] == "failed", posting)


def _is_another(exception: BillingException, retried_id: UUID) -> bool:
    return exception.id != retried_id and exception.reason not in TRANSIENT_REASONS


def _outcome(posting: Posting, exception_id: UUID, attempts: int) -> dict[str, object]:
    """Return how an exception goes on after a try that was its `attempts` + 1st."""
    if posting.dismissed:
        return _settled(
            "failed",
            error="not posted: the same bill is dismissed under another reason; retry that one",
        )
    if not posting.exceptions:
        return _settled("resolved", resolution="posted")
    exception = posting.exceptions[0]
    if _is_another(exception, exception_id):
        return _settled("resolved", resolution=f"became {exception.reason}")
    if exception.reason not in TRANSIENT_REASONS:
        return _settled("failed", error=exception.error)
    if attempts >= len(RETRY_SECONDS):
        return _settled("failed", error=exception.error)
    return _settled("retrying", error=exception.error, retry_seconds=RETRY_SECONDS[attempts])


def _settled(
    status: str,
    *,
    resolution: str | None = None,
    error: str | None = None,
    retry_seconds: int = 0,
) -> dict[str, object]:
    return {
        "status": status,
        "resolution": resolution,
        "error": error,
        "retry_seconds": retry_seconds,
    }
