"""A record that the database refuses must not hold up the others of its batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import structlog

from stream_processors.ledger.database import PASSING_STATES, is_outage
from stream_processors.ledger.exceptions import BillingException, record_exceptions
from stream_processors.ledger.posting import Posting, post
from stream_processors.ledger.withdrawing import withdraw

if TYPE_CHECKING:
    from schemas.records import Payable
    from stream_processors.ledger.batch import Batch
    from stream_processors.ledger.database import Database
    from stream_processors.ledger.exceptions import PayableReason

_log = structlog.get_logger(__name__)


def post_batch(database: Database, batch: Batch) -> Posting:
    """Post a batch in one transaction; where it is refused, each behind a savepoint of its own.

    What can't be posted is recorded in `billing_exceptions` in the same transaction. Raises
    psycopg.Error where the fault is in no record: a missing table, a missing right.
    """
    try:
        return database.run(lambda connection: post_and_record(connection, batch))
    except psycopg.Error as error:
        # Without its text, which may quote a payload: each has its exception, with all of it.
        _log.warning(
            "batch_refused",
            payables=len(batch.payables),
            sqlstate=error.sqlstate,
            constraint=error.diag.constraint_name,
        )
        return database.run(lambda connection: _post_one_by_one(connection, batch))


def post_and_record(connection: psycopg.Connection, batch: Batch) -> Posting:
    """Post payables and record those that could not be, inside the caller's transaction."""
    return _recorded(connection, batch, post(connection, batch.payables))


def post_isolated(connection: psycopg.Connection, payable: Payable) -> Posting:
    """Post one payable behind a savepoint; a fault of this record becomes its exception."""
    try:
        with connection.transaction():
            return post(connection, [payable])
    except psycopg.Error as error:
        reason = reason_of(error)
        if reason is None or is_outage(error, connection):
            raise
        return Posting((), (_refused(reason, payable, error),))


def reason_of(error: psycopg.Error) -> PayableReason | None:
    """Return the reason of billing_exceptions that a database error is; None: not the record's.

    By SQLSTATE: another entry pays the session (23505); class 22, 23 and 54 the record itself; a
    cancelled statement, a lock not had, a deadlock; class 53 and 58 the server's means.
    """
    state = error.sqlstate or ""
    if state == "23505":
        return "ledger_conflict"
    if state.startswith(("22", "23", "54")) or isinstance(error, psycopg.DataError):
        return "unprocessable"
    if state in PASSING_STATES:
        return "timeout"
    if state.startswith(("53", "58")):
        return "database_unavailable"
    return None


def _post_one_by_one(connection: psycopg.Connection, batch: Batch) -> Posting:
    postings = [
        post_isolated(connection, payable)
        for payable in sorted(batch.payables, key=lambda each: each.ledger_id)
    ]
    return _recorded(
        connection,
        batch,
        Posting(
            tuple(entry for posting in postings for entry in posting.entries),
            tuple(each for posting in postings for each in posting.exceptions),
        ),
    )


def _recorded(connection: psycopg.Connection, batch: Batch, posting: Posting) -> Posting:
    """Record what could not be posted, and what is posted and owed no more; return all of it."""
    exceptions = posting.exceptions
    recorded = record_exceptions(connection, exceptions)
    if batch.withdrawn:
        conflicts = withdraw(connection, batch.withdrawn)
        recorded += record_exceptions(connection, conflicts)
        exceptions = (*exceptions, *conflicts)
    return replace(posting, exceptions=exceptions, recorded=tuple(recorded))


def _refused(reason: PayableReason, payable: Payable, error: psycopg.Error) -> BillingException:
    what = f"the database refused it: {str(error).strip()}"
    if reason == "ledger_conflict":
        what += "; take back what pays it with `outbox ledger reverse`, then retry this, or dismiss"
    exception = BillingException.of_payable(reason, payable, what)
    return replace(exception, record={**exception.record, "refused": error.sqlstate})
