"""I2 in detail: the ledger and the exceptions beside what the application's events make due."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.faults.rules import Expectation, PriceList, by_session, expectation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.evidence import Evidence
    from tests.faults.rules import Bill

SESSION_EVENTS = """
    SELECT aggregate_id, id, event_type, payload FROM journal
    WHERE aggregate_type = 'session' AND outcome = 'committed' ORDER BY aggregate_id, id
"""
ENTRIES = """
    SELECT id, kind, coalesce('session/' || session_id, 'package/' || service_package_id),
           mentor_id, contract_id, student_id, occurred_at, source_event_id, session_ids,
           amount_minor, currency, price_effective_from
    FROM ledger
"""
OF_RECORDS = ("undecodable", "unknown_event_type", "unprocessable")
"""Exceptions of records that are nobody's event; their subject is a position in Kafka."""


def expected_bills(evidence: Evidence) -> tuple[Expectation, PriceList]:
    """Return what is due by the journal alone, and the prices."""
    rows = (
        (session, event_id, event_type, json.loads(payload))
        for session, event_id, event_type, payload in evidence.rows(SESSION_EVENTS)
    )
    prices = PriceList()
    prices.add(evidence.rows("SELECT * FROM prices"))
    return expectation(by_session(rows)), prices


def bills_are_exact(evidence: Evidence, expected: Expectation, prices: PriceList) -> Iterator[str]:
    """Compare entry by entry, and exception by exception."""
    conflicts = {
        subject
        for (subject,) in evidence.rows(
            "SELECT subject FROM exceptions WHERE reason = 'ledger_conflict' AND status = 'failed'"
        )
    }
    unseen = dict(expected.bills)
    seen: set[str] = set()
    for row in evidence.rows(ENTRIES):
        entry_id, kind, subject = row[:3]
        if kind not in {"session", "package"}:
            yield f"entry {entry_id} is a {kind}, and no person made one"
        elif subject in seen:
            yield f"{subject} has another entry, {entry_id}: it is billed twice"
        else:
            seen.add(subject)
            bill = unseen.pop(subject, None)
            unlucky = subject in expected.contested and subject.partition("/")[2] in conflicts
            if not unlucky:
                yield from _differences(subject, row, bill, prices)
    yield from _paid_twice(evidence)
    for subject, bill in unseen.items():
        if prices.price(bill) is not None:
            yield f"{subject} is payable to {bill.mentor_id} and has no entry"
    yield from _exceptions(evidence, expected, prices)


def _differences(
    subject: str, row: tuple[Any, ...], bill: Bill | None, prices: PriceList
) -> Iterator[str]:
    if bill is None:
        yield f"{subject} has entry {row[0]} and is not payable"
        return
    price = prices.price(bill)
    if price is None:
        yield f"{subject} has entry {row[0]} and {bill.mentor_id} has no price {bill.price_code}"
        return
    amount_minor, currency, effective_from = price
    due = {
        "kind": (row[1], bill.kind),
        "mentor": (row[3], bill.mentor_id),
        "contract": (row[4], bill.contract_id),
        "student": (row[5], bill.student_id),
        "occurred_at": (row[6], bill.occurred_at),
        "source_event_id": (row[7] in bill.same, True),
        "sessions": (sorted(json.loads(row[8])), list(bill.session_ids)),
        "amount": (row[9], amount_minor),
        "currency": (row[10], currency),
        "price_effective_from": (row[11], effective_from),
    }
    for name, (is_, should_be) in due.items():
        if is_ != should_be:
            yield f"{subject}, entry {row[0]}: {name} is {is_!r}, due is {should_be!r}"


def _paid_twice(evidence: Evidence) -> Iterator[str]:
    for session_id, entries in evidence.rows(
        "SELECT value, count(*) FROM ledger, json_each(session_ids) WHERE kind <> 'reversal' "
        "GROUP BY value HAVING count(*) > 1"
    ):
        yield f"session {session_id} is paid by {entries} entries"


def _exceptions(evidence: Evidence, expected: Expectation, prices: PriceList) -> Iterator[str]:
    """Open exceptions are exactly those that the events and the prices call for."""
    unseen = set(expected.complaints) | {
        ("price_missing", bill.subject, bill.source_event_id)
        for bill in expected.bills.values()
        if prices.price(bill) is None
    }
    poison = {position for (position,) in evidence.rows("SELECT position FROM poison")}
    contested = {subject.partition("/")[2] for subject in expected.contested}
    for reason, subject, source_event_id in evidence.rows(
        "SELECT reason, subject, source_event_id FROM exceptions "
        "WHERE status IN ('failed', 'retrying')"
    ):
        complaint = (reason, subject, source_event_id)
        if complaint in unseen:
            unseen.remove(complaint)
        elif reason in OF_RECORDS and subject in poison:
            continue
        elif reason != "ledger_conflict" or subject not in contested:
            yield f"there is an open exception {reason} of {subject} that nothing calls for"
    for reason, subject, event_id in unseen:
        yield f"there is no open exception {reason} of {subject}, which event {event_id} calls for"


def sums_are_exact(evidence: Evidence, expected: Expectation, prices: PriceList) -> Iterator[str]:
    """Compare what each mentor is owed, by currency; contested subjects are left out."""
    due: Counter[tuple[str, str]] = Counter()
    owed: Counter[tuple[str, str]] = Counter()
    for subject, bill in expected.bills.items():
        price = prices.price(bill)
        if price is not None and subject not in expected.contested:
            due[bill.mentor_id, price[1]] += price[0]
    for _, _, subject, mentor_id, *_, amount_minor, currency, _ in evidence.rows(ENTRIES):
        if subject not in expected.contested:
            owed[mentor_id, currency] += amount_minor
    for mentor_id, currency in sorted(due.keys() | owed.keys()):
        is_, should_be = owed[mentor_id, currency], due[mentor_id, currency]
        if is_ != should_be:
            yield f"mentor {mentor_id} is owed {is_} {currency} (minor units), due are {should_be}"
