"""The one place where money moves: payables are priced and posted, once each.

A batch is one transaction. Entries go in by id order, so that two writers at once cannot
deadlock, and an id that is there stays as it is. What was not inserted is then compared, in
a statement of its own, with what stands there: a statement does not see the rows it inserts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from stream_processors.ledger.exceptions import (
    BILL_REASONS,
    BillingException,
    put_to_rest,
    subject_of,
)
from stream_processors.ledger.standing import Comparison, Standing, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime
    from uuid import UUID

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
    RETURNING id::text, kind, posted_at
"""
_PAY_SESSIONS = """
    INSERT INTO ledger_entry_sessions (entry_id, session_id)
    SELECT * FROM unnest(%(entries)s::uuid[], %(sessions)s::text[]) AS paid (entry_id, session_id)
    ORDER BY session_id
"""
# A person saw these very facts, and decided otherwise.
_SETTLED = """
    SELECT id, record FROM billing_exceptions
    WHERE id = ANY(%(exceptions)s) AND status = 'resolved'
"""
_DISMISSED = """
    SELECT kind, subject, source_event_id::text
    FROM billing_exceptions
    WHERE source_event_id = ANY(%(events)s::uuid[])
      AND reason = ANY(%(reasons)s)
      AND status = 'dismissed'
"""
_AGREED = "the events say again what stands in the ledger"
_SUPERSEDED = "the events say otherwise by now"


class Entry(NamedTuple):
    """An entry that was posted now; posted_at is the database's time."""

    id: str
    kind: str
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class Posting:
    """What became of a batch: entries posted now, what could not be, ids of dismissed bills.

    recorded: those exceptions that were written, as far as the caller has written them.
    """

    entries: tuple[Entry, ...]
    exceptions: tuple[BillingException, ...]
    dismissed: tuple[str, ...] = ()
    recorded: tuple[BillingException, ...] = ()

    @property
    def posted(self) -> tuple[str, ...]:
        """The ids of the entries."""
        return tuple(entry.id for entry in self.entries)


def post(connection: psycopg.Connection, payables: Sequence[Payable]) -> Posting:
    """Price and post payables inside the caller's transaction; those posted before are no-ops.

    Raises psycopg.Error where the database refuses one of them: the caller isolates it.
    """
    first = {payable.ledger_id: payable for payable in reversed(payables)}
    entries = _insert(connection, list(first.values()))
    posted = {entry.id for entry in entries}
    posted_payables = [first[entry_id] for entry_id in posted]
    if posted_payables:
        _pay_sessions(connection, posted_payables)
    others = [
        payable
        for payable in payables
        if payable.ledger_id not in posted or payable is not first[payable.ledger_id]
    ]
    put_to_rest(connection, _subjects(posted_payables), "posted")
    exceptions, dismissed = _explain(connection, others) if others else ([], [])
    return Posting(tuple(entries), tuple(exceptions), tuple(dismissed))


def _insert(connection: psycopg.Connection, payables: Sequence[Payable]) -> list[Entry]:
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
    return [Entry(*row) for row in connection.execute(_POST, columns)]


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


def _subjects(payables: Iterable[Payable]) -> list[tuple[str, str]]:
    return [(payable.kind, subject_of(payable)) for payable in payables]


def _explain(
    connection: psycopg.Connection,
    payables: Sequence[Payable],
) -> tuple[list[BillingException], list[str]]:
    """Return an exception for each payable that is not there and should be, and the dismissed.

    Of several payables for one bill the last says what the events say by now.
    """
    dismissals: set[tuple[str, ...]] | None = None
    exceptions: dict[str, BillingException] = {}
    agreeing: dict[str, Payable] = {}
    decided: set[UUID] = set()
    dismissed = []
    for payable, found in zip(payables, compare(connection, payables), strict=True):
        exceptions.pop(payable.ledger_id, None)
        agreeing.pop(payable.ledger_id, None)
        if found.standing is Standing.AGREES:
            agreeing[payable.ledger_id] = payable
        elif found.standing is Standing.DIFFERS:
            exceptions[payable.ledger_id] = conflict = _conflict(payable, found)
            if found.decided:
                decided.add(conflict.id)
        elif found.standing is Standing.ABSENT:
            if dismissals is None:
                dismissals = _dismissals(connection, payables)
            if (payable.kind, subject_of(payable), payable.source_event_id) in dismissals:
                dismissed.append(payable.ledger_id)
            else:
                exceptions[payable.ledger_id] = _price_missing(payable)
    put_to_rest(connection, _subjects(agreeing.values()), _AGREED, reasons=["ledger_conflict"])
    said_by_now = list(exceptions.values())
    put_to_rest(
        connection,
        [(each.kind or "", each.subject) for each in said_by_now],
        _SUPERSEDED,
        reasons=[reason for reason in BILL_REASONS if reason != "ledger_conflict"],
        kept=said_by_now,
    )
    return unsettled(connection, said_by_now, decided), dismissed


def _dismissals(
    connection: psycopg.Connection, payables: Sequence[Payable]
) -> set[tuple[str, ...]]:
    events = [payable.source_event_id for payable in payables]
    return set(connection.execute(_DISMISSED, {"events": events, "reasons": BILL_REASONS}))


def unsettled(
    connection: psycopg.Connection,
    exceptions: list[BillingException],
    decided: set[UUID],
) -> list[BillingException]:
    """Leave out conflicts whose facts a person saw already when the entry was taken back."""
    if not decided:
        return exceptions
    settled: dict[UUID, object] = dict(connection.execute(_SETTLED, {"exceptions": list(decided)}))
    return [each for each in exceptions if settled.get(each.id) != each.record]


def _conflict(payable: Payable, found: Comparison) -> BillingException:
    return BillingException.of_payable(
        "ledger_conflict",
        payable,
        f"{payable.kind} {subject_of(payable)} is in the ledger as {found.entry_id} with "
        f"another {', '.join(found.different)}; what was posted stays: correct the entry with "
        f"`outbox ledger correct {found.entry_id}`, or dismiss this",
    )


def _price_missing(payable: Payable) -> BillingException:
    return BillingException.of_payable(
        "price_missing",
        payable,
        f"mentor {payable.mentor_id} has no price {payable.price_code} in force at "
        f"{payable.occurred_at.isoformat()}: insert it into mentor_prices, then retry",
    )
