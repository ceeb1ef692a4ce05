"""What the ledger writer does with each kind of record."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import psycopg
import structlog

from schemas import codec
from schemas.errors import Undecodable, UnknownFingerprint
from schemas.records import ExceptionReport
from stream_processors.engine.tracing import Spans
from stream_processors.ledger.batch import Batch
from stream_processors.ledger.checking import fault_of
from stream_processors.ledger.counting import count_exceptions, count_posting
from stream_processors.ledger.exceptions import (
    BillingException,
    record_exceptions,
    withdraw_exception,
)
from stream_processors.ledger.isolation import post_batch, reason_of
from stream_processors.ledger.outcome_log import log_exceptions, log_posting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stream_processors.engine.deaths import DeathJournal
    from stream_processors.engine.messages import InboundRecord
    from stream_processors.engine.tracing import Tracer
    from stream_processors.ledger.database import Database
    from stream_processors.ledger.outcome_log import Said, Unbilled

Decoded = TypeVar("Decoded")

_log = structlog.get_logger(__name__)


class PayablesWriter:
    """Posts what is owed, and puts to rest what is owed no more.

    What can't be posted becomes an exception and holds nothing up.
    """

    def __init__(
        self, database: Database, journal: DeathJournal, tracer: Tracer | None = None
    ) -> None:
        self._database = database
        self._journal = journal
        self._tracer = tracer

    def carry_out(self, records: Sequence[InboundRecord]) -> None:
        """Post a batch. Raises UnknownFingerprint for a record of a newer release."""
        spans = Spans(self._tracer, records)
        said: list[Said] = []
        unusable: list[Unbilled] = []
        for record in records:
            decoded = read_record(record, codec.decode_payable, self._journal)
            if isinstance(decoded, BillingException):
                unusable.append((record, decoded))
            elif fault := fault_of(decoded):
                exception = BillingException.of_record("unprocessable", record, fault)
                unusable.append((record, exception))
            else:
                said.append((record, decoded))
        spans.end([*self._post(said), *self._record(unusable)])

    def _post(self, said: Sequence[Said]) -> list[InboundRecord]:
        """Post what is said; return the records that became exceptions."""
        if not said:
            return []
        posting = post_batch(self._database, Batch.of(content for _, content in said))
        count_posting(posting, said)
        _log.debug("batch_posted", payables=len(said), entries=len(posting.posted))
        return log_posting(_log, said, posting)

    def _record(self, unusable: Sequence[Unbilled]) -> list[InboundRecord]:
        """Record what is no payable; return the records."""
        if not unusable:
            return []
        exceptions = [exception for _, exception in unusable]
        count_exceptions(
            self._database.run(
                lambda connection: record_exceptions(connection, exceptions), patient=True
            )
        )
        log_exceptions(_log, unusable)
        return [record for record, _ in unusable]


class ReportsWriter:
    """Records the exceptions that the processors report, and withdraws those that fell."""

    def __init__(self, database: Database, journal: DeathJournal) -> None:
        self._database = database
        self._journal = journal

    def carry_out(self, records: Sequence[InboundRecord]) -> None:
        """Record a batch, in its order. Raises UnknownFingerprint as above."""
        decoded = [(record, read_record(record, _reported, self._journal)) for record in records]

        def write(connection: psycopg.Connection) -> tuple[list[Unbilled], list[BillingException]]:
            unbilled, recorded = [], []
            for record, report in decoded:
                exception, is_written = _write_isolated(connection, record, report)
                if exception is not None:
                    unbilled.append((record, exception))
                    recorded += [exception] if is_written else []
            return unbilled, recorded

        unbilled, recorded = self._database.run(write, patient=True)
        count_exceptions(recorded)
        log_exceptions(_log, unbilled)


def _write_isolated(
    connection: psycopg.Connection,
    record: InboundRecord,
    report: ExceptionReport | BillingException,
) -> tuple[BillingException | None, bool]:
    """Write a report behind a savepoint; one that can't be recorded becomes its own exception.

    Returns what was recorded, None where one was withdrawn; and whether that is anything new.
    """
    try:
        with connection.transaction():
            return _write(connection, report)
    except (psycopg.Error, ValueError, RecursionError) as error:
        if isinstance(error, psycopg.Error) and reason_of(error) != "unprocessable":
            raise
        fault = f"it reports what cannot be recorded: {str(error).strip()}"
        exception = BillingException.of_record("unprocessable", record, fault)
        return exception, bool(record_exceptions(connection, [exception]))


def _write(
    connection: psycopg.Connection, report: ExceptionReport | BillingException
) -> tuple[BillingException | None, bool]:
    if isinstance(report, ExceptionReport) and not report.standing:
        withdraw_exception(connection, report)
        return None, False
    exception = (
        report if isinstance(report, BillingException) else BillingException.of_report(report)
    )
    return exception, bool(record_exceptions(connection, [exception]))


def _reported(data: bytes) -> ExceptionReport:
    return codec.decode(data, ExceptionReport)


def read_record(
    record: InboundRecord,
    decode: Callable[[bytes], Decoded],
    journal: DeathJournal,
) -> Decoded | BillingException:
    """Decode a record; one that can't be, or that this process died of, is an exception."""
    if journal.is_deadly(record.position):
        error = f"the ledger writer died {journal.deaths(record.position)} times of this record"
        return BillingException.of_record("unprocessable", record, error)
    journal.take_up(record.position)
    decoded: Decoded | BillingException
    try:
        decoded = decode(record.value or b"")
    except Undecodable as error:
        decoded = BillingException.of_record("undecodable", record, str(error))
    except UnknownFingerprint:
        journal.put_down()
        raise
    journal.put_down()
    return decoded
