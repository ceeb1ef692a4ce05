"""Replaces a wrong entry: its reversal and the correction in one transaction, both or neither."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

import psycopg

from operations.actions import record_action
from operations.failures import ProblemError
from operations.ledger.entries import Entry, read_entry, reversals, standing_entries
from operations.ledger.replacement import ByHand, Replacement, replacement_of
from operations.ledger.reversing import (
    Decision,
    locked_entry,
    post_reversal,
    refuse_settled,
    settle_conflicts,
)
from stream_processors.billing.payables import correction_id

_CORRECT = """
    INSERT INTO mentor_payable_ledgers (
        id, kind, mentor_id, contract_id, student_id, session_id, service_package_id,
        amount_minor, currency, price_effective_from, occurred_at, source_event_id
    )
    VALUES (
        %(id)s, 'correction', %(mentor_id)s, %(contract_id)s, %(student_id)s, %(session_id)s,
        %(service_package_id)s, %(amount_minor)s, %(currency)s, %(price_effective_from)s,
        %(occurred_at)s, %(source_event_id)s
    )
"""
_PAY_SESSIONS = """
    INSERT INTO ledger_entry_sessions (entry_id, session_id)
    SELECT %(id)s, session_id FROM unnest(%(session_ids)s::text[]) AS paid (session_id)
    ORDER BY session_id
"""


def correct(
    connection: psycopg.Connection[Any],
    entry_id: UUID,
    decision: Decision,
    by_hand: ByHand,
    *,
    conflict: UUID | None = None,
    dry_run: bool = False,
) -> list[Entry]:
    """Take an entry back and post what is right instead; return the entries that were posted.

    One that was taken back without replacement is billed anew. Raises ProblemError, and posts
    nothing, where there is nothing to correct, or it is not clear by what.
    """
    with connection.transaction(force_rollback=dry_run):
        entry = locked_entry(connection, entry_id)
        taken_back = entry.reversed_by is not None and not standing_entries(connection, entry)
        if not taken_back:
            refuse_settled(connection, entry)
        replacement = replacement_of(connection, entry, by_hand, conflict)
        if not taken_back and replacement.says_the_same_as(entry):
            raise ProblemError(
                f"Events and prices say what ledger entry {entry} says already, so there is "
                "nothing to correct and nothing was posted. Void the wrong event or insert the "
                "right price first, or say what is right: --amount-minor, --mentor, …"
            )
        posted = [] if taken_back else [post_reversal(connection, entry)]
        posted.append(_post_correction(connection, entry, replacement))
        record_action(
            connection,
            actor=decision.actor,
            action="ledger.correct",
            subject=entry.subject,
            reason=decision.reason,
            detail={
                "kind": entry.subject_kind,
                "entry_id": entry.id,
                "reversal_id": entry.reversed_by if taken_back else posted[0],
                "correction_id": posted[-1],
                "exceptions": settle_conflicts(connection, entry, f"corrected: {decision.reason}"),
                "by_hand": {
                    name: value for name, value in asdict(by_hand).items() if value is not None
                },
            },
        )
        return [read_entry(connection, each) for each in posted]


def _post_correction(
    connection: psycopg.Connection[Any], entry: Entry, replacement: Replacement
) -> UUID:
    revision = reversals(connection, entry)
    identity = UUID(correction_id(entry.subject_kind, entry.subject, revision))
    columns = {
        **asdict(replacement),
        "id": identity,
        "session_id": entry.session_id,
        "service_package_id": entry.service_package_id,
    }
    try:
        connection.execute(_CORRECT, columns)
        connection.execute(_PAY_SESSIONS, columns)
    except psycopg.errors.IntegrityError as error:
        raise ProblemError(
            f"The ledger refuses the replacement of {entry}: {error.diag.message_primary}. "
            f"{error.diag.message_hint or 'Correct what you said.'} Nothing was posted."
        ) from error
    return identity
