"""What a correction says: what the events and the prices say now, or what a person says by hand."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import class_row

from operations.failures import ProblemError
from operations.ledger.entries import Entry
from stream_processors.ledger.exceptions import payable_from_json

# Open ones; of an entry that was taken back without replacement, also those settled by that.
_CONFLICTS = """
    SELECT id, record FROM billing_exceptions
    WHERE reason = 'ledger_conflict' AND kind = %(kind)s AND subject = %(subject)s
      AND (status IN ('retrying', 'failed')
           OR id::text IN (
               SELECT jsonb_array_elements_text(detail -> 'exceptions')
               FROM operator_actions
               WHERE action = 'ledger.reverse' AND subject = %(subject)s
                 AND detail ->> 'reversal_id' = %(reversal)s
           ))
    ORDER BY id
"""
# What the ledger does not keep: by which price code it was priced.
_PRICE_CODE = """
    SELECT CASE WHEN %(package)s::text IS NULL THEN completed.payload ->> 'sessionType'
                ELSE completed.payload ->> 'packageCode' END
    FROM unnest(%(sessions)s::text[]) AS paid (session_id)
    CROSS JOIN LATERAL
        counting_session_event(paid.session_id, 'services.session.completed') AS completed
    WHERE %(package)s::text IS NULL OR completed.payload ->> 'servicePackageId' = %(package)s
    ORDER BY completed.id
    LIMIT 1
"""
_PRICE = """
    SELECT amount_minor, currency, effective_from
    FROM mentor_prices
    WHERE mentor_id = %(mentor)s AND price_code = %(code)s AND effective_from <= %(occurred)s
    ORDER BY effective_from DESC
    LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ByHand:
    """What a person says instead; None: what events and prices say."""

    mentor_id: str | None = None
    contract_id: str | None = None
    student_id: str | None = None
    occurred_at: datetime | None = None
    price_code: str | None = None
    amount_minor: int | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """A row of mentor_prices."""

    amount_minor: int
    currency: str
    effective_from: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """A correction to be."""

    mentor_id: str
    contract_id: str
    student_id: str
    occurred_at: datetime
    source_event_id: UUID
    session_ids: list[str]
    amount_minor: int
    currency: str
    price_effective_from: datetime

    def says_the_same_as(self, entry: Entry) -> bool:
        """Whether an entry says all of this already; which event made it billable is no matter."""
        return all(
            getattr(self, name) == getattr(entry, name)
            for name in self.__dataclass_fields__
            if name != "source_event_id"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    mentor_id: str
    contract_id: str
    student_id: str
    occurred_at: datetime
    source_event_id: UUID
    session_ids: list[str]
    price_code: str | None


def replacement_of(
    connection: psycopg.Connection[Any],
    entry: Entry,
    by_hand: ByHand,
    conflict: UUID | None = None,
) -> Replacement:
    """Return what is to stand instead of an entry: the facts of its open conflict, or its own.

    `conflict`: which one, where several are open. Raises ProblemError where that is not clear,
    nothing is owed any more, or no price is in force and no amount is given.
    """
    facts = _facts(connection, entry, by_hand, conflict)
    mentor = by_hand.mentor_id or facts.mentor_id
    occurred_at = by_hand.occurred_at or facts.occurred_at
    price_code = by_hand.price_code or facts.price_code
    price = _price(connection, mentor, price_code, occurred_at)
    if by_hand.amount_minor is not None:
        price = Price(
            by_hand.amount_minor,
            by_hand.currency or entry.currency,
            entry.price_effective_from if price is None else price.effective_from,
        )
    if price is None:
        raise ProblemError(_no_price(mentor, price_code, occurred_at))
    return Replacement(
        mentor_id=mentor,
        contract_id=by_hand.contract_id or facts.contract_id,
        student_id=by_hand.student_id or facts.student_id,
        occurred_at=occurred_at,
        source_event_id=facts.source_event_id,
        session_ids=facts.session_ids,
        amount_minor=price.amount_minor,
        currency=price.currency,
        price_effective_from=price.effective_from,
    )


def _facts(
    connection: psycopg.Connection[Any], entry: Entry, by_hand: ByHand, wanted: UUID | None
) -> _Facts:
    rows = connection.execute(
        _CONFLICTS,
        {
            "kind": entry.subject_kind,
            "subject": entry.subject,
            "reversal": None if entry.reversed_by is None else str(entry.reversed_by),
        },
    ).fetchall()
    conflicts: dict[UUID, Any] = dict(rows)
    if wanted is not None and wanted not in conflicts:
        raise ProblemError(
            f"{wanted} is no open ledger_conflict of {entry.subject_kind} {entry.subject}; "
            f"those are: {', '.join(map(str, conflicts)) or 'none'}. Nothing was posted."
        )
    if wanted is None and len(conflicts) > 1:
        raise ProblemError(
            f"{entry.subject_kind.capitalize()} {entry.subject} has {len(conflicts)} open "
            f"conflicts that say different things: {', '.join(map(str, conflicts))}. Look at each "
            "with `outbox exceptions show ID`, then say whose facts are right: --conflict ID. "
            "Nothing was posted."
        )
    chosen = wanted or next(iter(conflicts), None)
    if chosen is not None and "payable" in conflicts[chosen]:
        return _facts_of_conflict(conflicts[chosen])
    if chosen is not None and by_hand == ByHand():
        raise ProblemError(
            f"By the events nothing is owed for {entry.subject_kind} {entry.subject} any more "
            f"(conflict {chosen}): take it back with `outbox ledger reverse {entry.id} --reason "
            "…`, or say by hand what is right: --amount-minor, --mentor, … Nothing was posted."
        )
    return _own_facts(connection, entry)


def _facts_of_conflict(record: Any) -> _Facts:
    payable = payable_from_json(record)
    return _Facts(
        mentor_id=payable.mentor_id,
        contract_id=payable.contract_id,
        student_id=payable.student_id,
        occurred_at=payable.occurred_at,
        source_event_id=UUID(payable.source_event_id),
        session_ids=sorted(payable.session_ids),
        price_code=payable.price_code,
    )


def _own_facts(connection: psycopg.Connection[Any], entry: Entry) -> _Facts:
    row = connection.execute(
        _PRICE_CODE, {"package": entry.service_package_id, "sessions": entry.session_ids}
    ).fetchone()
    return _Facts(
        mentor_id=entry.mentor_id,
        contract_id=entry.contract_id,
        student_id=entry.student_id,
        occurred_at=entry.occurred_at,
        source_event_id=entry.source_event_id,
        session_ids=entry.session_ids,
        price_code=None if row is None else row[0],
    )


def _price(
    connection: psycopg.Connection[Any], mentor: str, code: str | None, occurred_at: datetime
) -> Price | None:
    with connection.cursor(row_factory=class_row(Price)) as cursor:
        return cursor.execute(
            _PRICE, {"mentor": mentor, "code": code, "occurred": occurred_at}
        ).fetchone()


def _no_price(mentor: str, code: str | None, occurred_at: datetime) -> str:
    if code is None:
        return (
            "No event says by which price this is paid: say --price-code, or --amount-minor. "
            "Nothing was posted."
        )
    return (
        f"Mentor {mentor} has no price {code} in force at {occurred_at.isoformat()}: insert it "
        "into mentor_prices, or say --price-code or --amount-minor. Nothing was posted."
    )
