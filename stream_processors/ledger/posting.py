"""The one place where money moves: payables are priced and posted, once each.

A batch is one transaction. Entries go in by id order, so that two writers at once cannot
deadlock, and an id that is there stays as it is. What was not inserted is then compared, in
a statement of its own, with what stands there: a statement does not see the rows it inserts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from psycopg.rows import namedtuple_row

from stream_processors.ledger.exceptions import BILL_REASONS, BillingException, subject_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from schemas.records import Payable

# A person dismissed the bill: only another event brings it back.
_POST = """
    WITH payable AS (
        SELECT * FROM unnest(
            %(ids)s::uuid[], %(kinds)s::text[], %(mentors)s::text[], %(contracts)s::text[],
            %(students)s::text[], %(sessions)s::text[], %(packages)s::text[],
            %(price_codes)s::text[], %(occurred)s::timestamptz[], %(events)s::uuid[]
        ) AS payable (id, kind, mentor_id, contract_id, student_id, session_id,
                      service_package_id, price_code, occurred_at, source_event_id)
    )
    INSERT INTO mentor_payable_ledgers (
        id, kind, mentor_id, contract_id, student_id, session_id, service_package_id,
        amount_minor, currency, price_effective_from, occurred_at, source_event_id
    )
    SELECT payable.id, kind, payable.mentor_id, contract_id, student_id, session_id,
           service_package_id, price.amount_minor, price.currency, price.effective_from,
           occurred_at, source_event_id
    FROM payable
    CROSS JOIN LATERAL (
        SELECT amount_minor, currency, effective_from
        FROM mentor_prices
        WHERE mentor_prices.mentor_id = payable.mentor_id
          AND mentor_prices.price_code = payable.price_code
          AND effective_from <= payable.occurred_at
        ORDER BY effective_from DESC
        LIMIT 1
    ) AS price
    WHERE NOT EXISTS (
        SELECT FROM billing_exceptions AS dismissed
        WHERE dismissed.subject = coalesce(payable.session_id, payable.service_package_id)
          AND dismissed.kind = payable.kind
          AND dismissed.source_event_id = payable.source_event_id
          AND dismissed.reason = ANY(%(reasons)s)
          AND dismissed.status = 'dismissed'
    )
    ORDER BY payable.id
    ON CONFLICT (id) DO NOTHING
    RETURNING id::text
"""
_PAY_SESSIONS = """
    INSERT INTO ledger_entry_sessions (entry_id, session_id)
    SELECT * FROM unnest(%(entries)s::uuid[], %(sessions)s::text[]) AS paid (entry_id, session_id)
    ORDER BY session_id
"""
_RESOLVE = """
    UPDATE billing_exceptions
    SET status = 'resolved', resolution = 'posted'
    WHERE subject = ANY(%(subjects)s)
      AND (kind, subject) IN (SELECT * FROM unnest(%(kinds)s::text[], %(subjects)s::text[]))
      AND reason IN ('price_missing', 'database_unavailable', 'timeout', 'unprocessable')
      AND status IN ('retrying', 'failed')
"""
_STANDING = """
    SELECT id::text, kind, mentor_id, contract_id, student_id, session_id, service_package_id,
           occurred_at,
           ARRAY(SELECT session_id FROM ledger_entry_sessions WHERE entry_id = entry.id)
               AS session_ids
    FROM mentor_payable_ledgers AS entry
    WHERE id = ANY(%(ids)s::uuid[])
"""
_DISMISSED = """
    SELECT kind, subject, source_event_id::text
    FROM billing_exceptions
    WHERE source_event_id = ANY(%(events)s::uuid[])
      AND reason = ANY(%(reasons)s)
      AND status = 'dismissed'
"""

_COMPARED = (
    "kind",
    "mentor_id",
    "contract_id",
    "student_id",
    "session_id",
    "service_package_id",
    "occurred_at",
)


@dataclass(frozen=True, slots=True)
class Posting:
    """What became of a batch: ids posted now, what could not be, ids of dismissed bills."""

    posted: tuple[str, ...]
    exceptions: tuple[BillingException, ...]
    dismissed: tuple[str, ...] = ()


def post(connection: psycopg.Connection, payables: Sequence[Payable]) -> Posting:
    """Price and post payables inside the caller's transaction; those posted before are no-ops.

    Raises psycopg.Error where the database refuses one of them: the caller isolates it.
    """
    first = {payable.ledger_id: payable for payable in reversed(payables)}
    posted = _insert(connection, list(first.values()))
    if posted:
        _pay_sessions(connection, [first[entry_id] for entry_id in posted])
    posted_payables = [first[entry_id] for entry_id in posted]
    others = [
        payable
        for payable in payables
        if payable.ledger_id not in posted or payable != first[payable.ledger_id]
    ]
    _resolve(connection, posted_payables)
    exceptions, dismissed = _explain(connection, others) if others else ([], [])
    return Posting(tuple(posted), tuple(exceptions), tuple(dismissed))


def _insert(connection: psycopg.Connection, payables: Sequence[Payable]) -> set[str]:
    columns = {
        "ids": [payable.ledger_id for payable in payables],
        "kinds": [payable.kind for payable in payables],
        "mentors": [payable.mentor_id for payable in payables],
        "contracts": [payable.contract_id for payable in payables],
        "students": [payable.student_id for payable in payables],
        "sessions": [payable.session_id for payable in payables],
        "packages": [payable.service_package_id for payable in payables],
        "price_codes": [payable.price_code for payable in payables],
        "occurred": [payable.occurred_at for payable in payables],
        "events": [payable.source_event_id for payable in payables],
        "reasons": BILL_REASONS,
    }
    return {entry_id for (entry_id,) in connection.execute(_POST, columns)}


def _pay_sessions(connection: psycopg.Connection, payables: Sequence[Payable]) -> None:
    paid = [
        (payable.ledger_id, session_id)
        for payable in payables
        for session_id in payable.session_ids
    ]
    connection.execute(
        _PAY_SESSIONS,
        {"entries": [entry for entry, _ in paid], "sessions": [session for _, session in paid]},
    )


def _resolve(connection: psycopg.Connection, payables: Sequence[Payable]) -> None:
    if payables:
        connection.execute(
            _RESOLVE,
            {
                "subjects": [subject_of(payable) for payable in payables],
                "kinds": [payable.kind for payable in payables],
            },
        )


def _explain(
    connection: psycopg.Connection,
    payables: Sequence[Payable],
) -> tuple[list[BillingException], list[str]]:
    """Return an exception for each payable that is not there and should be, and the dismissed."""
    standing = _standing(connection, payables)
    dismissals: set[tuple[str, ...]] = set()
    if any(payable.ledger_id not in standing for payable in payables):
        events = [payable.source_event_id for payable in payables]
        wanted = {"events": events, "reasons": BILL_REASONS}
        dismissals = set(connection.execute(_DISMISSED, wanted))
    exceptions, dismissed = [], []
    for payable in payables:
        entry = standing.get(payable.ledger_id)
        if entry is not None:
            different = _differences(payable, entry)
            if different:
                exceptions.append(_conflict(payable, different))
        elif (payable.kind, subject_of(payable), payable.source_event_id) in dismissals:
            dismissed.append(payable.ledger_id)
        else:
            exceptions.append(_price_missing(payable))
    return exceptions, dismissed


def _standing(connection: psycopg.Connection, payables: Sequence[Payable]) -> dict[str, Any]:
    with connection.cursor(row_factory=namedtuple_row) as cursor:
        cursor.execute(_STANDING, {"ids": [payable.ledger_id for payable in payables]})
        entries: list[Any] = cursor.fetchall()
    return {entry.id: entry for entry in entries}


def _differences(payable: Payable, entry: Any) -> list[str]:
    different = [name for name in _COMPARED if getattr(payable, name) != getattr(entry, name)]
    if sorted(payable.session_ids) != sorted(entry.session_ids):
        different.append("session_ids")
    return different


def _conflict(payable: Payable, different: list[str]) -> BillingException:
    return BillingException.of_payable(
        "ledger_conflict",
        payable,
        f"{payable.kind} {subject_of(payable)} is in the ledger as {payable.ledger_id} with "
        f"another {', '.join(different)}; what was posted stays: correct the entry, or dismiss",
    )


def _price_missing(payable: Payable) -> BillingException:
    return BillingException.of_payable(
        "price_missing",
        payable,
        f"mentor {payable.mentor_id} has no price {payable.price_code} in force at "
        f"{payable.occurred_at.isoformat()}: insert it into mentor_prices, then retry",
    )
