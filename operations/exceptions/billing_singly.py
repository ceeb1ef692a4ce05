"""A person decides that a session beyond its package's total is billed by itself."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from operations.actions import record_action
from operations.exceptions.ways_out import CONFLICTS, refusal
from operations.failures import ProblemError
from schemas import codec
from schemas.records import Payable, SessionCompleted, SessionEvaluated
from stream_processors.billing.facts import fact_of, gather
from stream_processors.billing.payables import session_payable
from stream_processors.billing.sessions import session_standing
from stream_processors.ledger.exceptions import BillingException

_EXCEPTION = "SELECT * FROM billing_exceptions WHERE id = %(exception)s FOR UPDATE"
_COUNTING = """
    SELECT id::text, payload::text
    FROM counting_session_event(%(session)s, %(event_type)s)
"""
# Its bill by itself, or whatever else pays it; what stands first.
_BILLED = """
    SELECT entry.id, reversal.id AS reversed_by
    FROM mentor_payable_ledgers AS entry
    LEFT JOIN mentor_payable_ledgers AS reversal ON reversal.reverses = entry.id
    WHERE entry.kind <> 'reversal'
      AND (entry.session_id = %(session)s
           OR (reversal.id IS NULL
               AND entry.id IN (SELECT entry_id FROM ledger_entry_sessions
                                WHERE session_id = %(session)s)))
    ORDER BY reversal.posted_at DESC NULLS FIRST
    LIMIT 1
"""
# The ledger writer posts what an exception holds. That it holds a payable is what tells it, later,
# that this was decided, whatever the package's processors report of it again.
_BILL = """
    UPDATE billing_exceptions
    SET status = 'retrying', next_attempt_at = clock_timestamp(), record = record || %(payable)s
    WHERE id = %(exception)s
"""


def bill_singly(
    connection: psycopg.Connection[Any], exception_id: UUID, *, actor: str, reason: str
) -> tuple[Payable, int]:
    """Hand the bill of an excess session to the ledger writer; return it, and how often it tried.

    Raises ProblemError where the exception is no open package_exceeded, or no longer true.
    """
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_EXCEPTION, {"exception": exception_id}).fetchone()
        if row is None:
            raise ProblemError(
                f"There is no exception {exception_id}; nothing was done. `outbox exceptions list "
                "--reason package_exceeded` shows those that can be billed singly."
            )
        _refuse_undecidable(row)
        payable = _payable(connection, row)
        _refuse_billed(connection, payable)
        held = BillingException.of_payable("unprocessable", payable, "").record
        cursor.execute(_BILL, {"exception": exception_id, "payable": Jsonb(held)})
        record_action(
            connection,
            actor=actor,
            action="exceptions.bill_singly",
            subject=payable.session_ids[0],
            reason=reason,
            detail={
                "exception_id": exception_id,
                "package_id": row["subject"],
                "event_id": row["source_event_id"],
                "billed_id": payable.ledger_id,
            },
        )
    return payable, row["attempts"]


def _refuse_undecidable(row: Mapping[str, Any]) -> None:
    if row["reason"] != "package_exceeded":
        what = CONFLICTS.get(row["reason"], "no session is beyond its package's total")
        raise ProblemError(
            f"Exception {row['id']} is a {row['reason']} of {row['subject']} ({what}): only a "
            "package_exceeded can be billed singly. Nothing was done."
        )
    if row["status"] == "resolved":
        raise ProblemError(f"{refusal(row)} Nothing was done.")
    if "payable" in row["record"]:
        raise ProblemError(
            f"Exception {row['id']} was decided already: its session is billed singly, and is "
            f"{row['status']} ({row['last_error']}). Mend that, then `outbox exceptions retry "
            f"{row['id']}`. Nothing was done."
        )


def _payable(connection: psycopg.Connection[Any], row: Mapping[str, Any]) -> Payable:
    """Return what is owed for the session by itself, by the events that count now."""
    session = row["record"]["session_id"]
    facts = []
    for event_type in (SessionCompleted.event_type, SessionEvaluated.event_type):
        found = connection.execute(
            _COUNTING, {"session": session, "event_type": event_type}
        ).fetchone()
        if found is not None:
            event = codec.decode_event(event_type, found[1].encode())
            if isinstance(event, SessionCompleted | SessionEvaluated):
                facts.append(fact_of(event, found[0]))
    standing = session_standing(gather(facts))
    completed = standing.completed
    if (
        completed is None
        or not standing.billable
        or completed.event_id != str(row["source_event_id"])
        or completed.service_package_id != row["subject"]
    ):
        raise ProblemError(
            f"Exception {row['id']} is about event {row['source_event_id']} of session {session}, "
            "which no longer makes it billable: another event counts by now. See `outbox history "
            f"--session {session}`. Nothing was done."
        )
    return session_payable(completed, *standing.made_billable_by)


def _refuse_billed(connection: psycopg.Connection[Any], payable: Payable) -> None:
    session = payable.session_ids[0]
    entry = connection.execute(_BILLED, {"session": session}).fetchone()
    if entry is None:
        return
    if entry[1] is None:
        raise ProblemError(
            f"Session {session} is paid already, by ledger entry {entry[0]}. Nothing was done."
        )
    raise ProblemError(
        f"Session {session} was billed by ledger entry {entry[0]}, which a person took back: "
        f"`outbox ledger correct {entry[0]} --reason …` bills it anew. Nothing was done."
    )
