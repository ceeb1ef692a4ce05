"""Takes an entry back: one new entry of the negated amount, never an update."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from operations.actions import record_action
from operations.failures import ProblemError
from operations.ledger.entries import Entry, read_entry, reversals, standing_entries
from stream_processors.billing.payables import reversal_id

# Of two people who decide about one session or package at once, the second sees what the first did.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('outbox ledger ' || %s || '/' || %s, 0))"
_REVERSE = """
    INSERT INTO mentor_payable_ledgers (
        id, kind, mentor_id, contract_id, student_id, session_id, service_package_id,
        amount_minor, currency, price_effective_from, occurred_at, source_event_id, reverses
    )
    SELECT %(reversal)s, 'reversal', mentor_id, contract_id, student_id, session_id,
           service_package_id, -amount_minor, currency, price_effective_from, occurred_at,
           source_event_id, id
    FROM mentor_payable_ledgers
    WHERE id = %(entry)s
"""
_SETTLE = """
    UPDATE billing_exceptions
    SET status = 'resolved', resolution = %(resolution)s
    WHERE reason = 'ledger_conflict' AND kind = %(kind)s AND subject = %(subject)s
      AND status IN ('retrying', 'failed')
    RETURNING id
"""
_DECISION = """
    SELECT actor, reason FROM operator_actions
    WHERE subject = %(subject)s AND detail ->> 'reversal_id' = %(reversal)s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Who decided, and why."""

    actor: str
    reason: str


def reverse(
    connection: psycopg.Connection[Any],
    entry_id: UUID,
    decision: Decision,
    *,
    dry_run: bool = False,
) -> list[Entry]:
    """Take an entry back without replacement; return the reversal. No replay revives it.

    Raises ProblemError where there is nothing to take back.
    """
    with connection.transaction(force_rollback=dry_run):
        entry = locked_entry(connection, entry_id)
        refuse_settled(connection, entry)
        reversal = post_reversal(connection, entry)
        record_action(
            connection,
            actor=decision.actor,
            action="ledger.reverse",
            subject=entry.subject,
            reason=decision.reason,
            detail={
                "kind": entry.subject_kind,
                "entry_id": entry.id,
                "reversal_id": reversal,
                "exceptions": settle_conflicts(connection, entry, f"reversed: {decision.reason}"),
            },
        )
        return [read_entry(connection, reversal)]


def locked_entry(connection: psycopg.Connection[Any], entry_id: UUID) -> Entry:
    """Return the entry, its session or package kept from everyone else's decisions meanwhile."""
    entry = read_entry(connection, entry_id)
    connection.execute(_LOCK, [entry.subject_kind, entry.subject])
    return read_entry(connection, entry_id)


def refuse_settled(connection: psycopg.Connection[Any], entry: Entry) -> None:
    """Raise ProblemError where the entry is a reversal, or was taken back already."""
    if entry.kind == "reversal":
        raise ProblemError(
            f"Ledger entry {entry.id} is a reversal: it took back {entry.reverses}, and is never "
            f"taken back itself. {_what_stands(connection, entry)} Nothing was posted."
        )
    if entry.reversed_by is not None:
        raise ProblemError(
            f"Ledger entry {entry.id} was taken back already, at {entry.reversed_at} by reversal "
            f"{entry.reversed_by}{_decided_by(connection, entry)}. "
            f"{_what_stands(connection, entry)} Nothing was posted."
        )


def post_reversal(connection: psycopg.Connection[Any], entry: Entry) -> UUID:
    """Insert the reversal of an entry; return its id."""
    revision = reversals(connection, entry) + 1
    identity = UUID(reversal_id(entry.subject_kind, entry.subject, revision))
    connection.execute(_REVERSE, {"reversal": identity, "entry": entry.id})
    return identity


def settle_conflicts(
    connection: psycopg.Connection[Any], entry: Entry, resolution: str
) -> list[UUID]:
    """Resolve the open ledger_conflicts of what an entry bills; return their ids."""
    rows = connection.execute(
        _SETTLE,
        {"kind": entry.subject_kind, "subject": entry.subject, "resolution": resolution},
    ).fetchall()
    return sorted(exception for (exception,) in rows)


def _what_stands(connection: psycopg.Connection[Any], entry: Entry) -> str:
    standing = standing_entries(connection, entry)
    if not standing:
        return (
            f"Nothing stands for {entry.subject_kind} {entry.subject}: "
            f"`outbox ledger correct {entry.reverses or entry.id} --reason …` bills it anew."
        )
    return (
        f"What stands for {entry.subject_kind} {entry.subject} is "
        f"{', '.join(str(each.id) for each in standing)}: name that one."
    )


def _decided_by(connection: psycopg.Connection[Any], entry: Entry) -> str:
    row = connection.execute(
        _DECISION, {"subject": entry.subject, "reversal": str(entry.reversed_by)}
    ).fetchone()
    return "" if row is None else f" ({row[0]}: {row[1]})"
