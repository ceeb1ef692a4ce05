"""What a person may post by hand is right only if somebody decided it, and only as decided."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from operations.actions import record_action
from operations.ledger.correcting import correct
from operations.ledger.replacement import ByHand
from operations.ledger.reversing import Decision, reverse
from operations.reconcile.report import Reconciliation
from tests.integration import database_rows
from tests.integration.database_rows import (
    InsertedEvent,
    insert_exception,
    package_payload,
    void,
)
from tests.integration.reconciled import (
    bill_session,
    complete_package,
    insert_price,
    post,
    post_package,
    receive,
    reconciled,
    spoil,
)

DECISION = Decision(actor="Dana", reason="agreed by mail")
PRICED = {"price_effective_from": "2026-01-01T00:00:00Z"}


@pytest.fixture
def billed(admin: psycopg.Connection) -> tuple[InsertedEvent, uuid.UUID]:
    """Session-1 billed by its event, for 100.00 USD."""
    insert_price(admin)
    insert_price(admin, price_code="double", amount_minor=20_000)
    return bill_session(admin, "session-1")


def corrected(connection: psycopg.Connection, entry: uuid.UUID, **by_hand: Any) -> uuid.UUID:
    return correct(connection, entry, DECISION, ByHand(**by_hand))[-1].id


def alter(connection: psycopg.Connection, entry: uuid.UUID, amount_minor: int = 9_999) -> None:
    spoil(
        connection,
        "mentor_payable_ledgers",
        "UPDATE mentor_payable_ledgers SET amount_minor = %s WHERE id = %s",
        amount_minor,
        entry,
    )


def reverse_by_nobody(
    connection: psycopg.Connection, billed: tuple[InsertedEvent, uuid.UUID]
) -> uuid.UUID:
    event, entry = billed
    return database_rows.reverse(connection, entry, source_event_id=event.id, **PRICED)


def wrong(found: Reconciliation) -> set[tuple[str, str]]:
    """The entries that are called mismatched, each with the reason."""
    return {
        (each["ledger_id"], each["reason"])
        for each in found.details
        if each["fault"] == "mismatched"
    }


Billed = tuple[InsertedEvent, uuid.UUID]


def test_a_reversal_that_nobody_decided_is_mismatched_and_its_bill_still_expected(
    admin: psycopg.Connection, billed: Billed
) -> None:
    reversal = reverse_by_nobody(admin, billed)
    found = reconciled(admin)
    assert wrong(found) == {(str(reversal), "not_decided")}
    assert (found.expected, found.decided, found.verdict) == (1, 0, "roll_back")


def test_a_reversal_that_nobody_decided_is_found_in_the_window_in_which_it_was_posted(
    admin: psycopg.Connection, billed: Billed
) -> None:
    between = datetime.now(UTC)
    reverse_by_nobody(admin, billed)
    assert reconciled(admin, since=between).mismatched == 1
    assert reconciled(admin, until=between).mismatched == 0
    assert reconciled(admin, since=between + timedelta(days=1)).mismatched == 0


def test_a_correction_that_nobody_decided_is_mismatched_also_at_the_right_price(
    admin: psycopg.Connection, billed: Billed
) -> None:
    reversal = reverse_by_nobody(admin, billed)
    correction = post(admin, "session-1", kind="correction", source_event_id=billed[0].id)
    found = reconciled(admin)
    assert wrong(found) == {(str(reversal), "not_decided"), (str(correction), "not_decided")}


def test_once_a_person_has_decided_what_is_right_what_nobody_decided_is_settled(
    admin: psycopg.Connection, billed: Billed
) -> None:
    reverse_by_nobody(admin, billed)
    wrongly = post(admin, "session-1", kind="correction", amount_minor=1)
    corrected(admin, wrongly)
    assert reconciled(admin).verdict == "clean"


def test_what_was_taken_back_by_nobody_is_clean_once_a_person_bills_it_anew(
    admin: psycopg.Connection, billed: Billed
) -> None:
    reverse_by_nobody(admin, billed)
    corrected(admin, billed[1])
    assert reconciled(admin).verdict == "clean"


def test_a_reversal_of_another_amount_than_it_takes_back_is_mismatched(
    admin: psycopg.Connection, billed: Billed
) -> None:
    (reversal,) = reverse(admin, billed[1], DECISION)
    assert (reconciled(admin).decided, reconciled(admin).verdict) == (1, "clean")
    alter(admin, reversal.id, -9_999)
    assert wrong(reconciled(admin)) == {(str(reversal.id), "amount_minor")}


@pytest.mark.parametrize(
    "by_hand",
    [
        {"price_code": "double"},
        {"amount_minor": 5_000},
        {"amount_minor": 5_000, "currency": "EUR"},
        {"mentor_id": "mentor-2", "occurred_at": datetime(2026, 3, 2, tzinfo=UTC)},
    ],
    ids=str,
)
def test_a_correction_is_billed_as_it_was_decided_and_mismatched_once_altered(
    admin: psycopg.Connection, billed: Billed, by_hand: dict[str, Any]
) -> None:
    insert_price(admin, mentor_id="mentor-2", amount_minor=11_000)
    correction = corrected(admin, billed[1], **by_hand)
    found = reconciled(admin)
    assert (found.billed, found.mismatched, found.verdict) == (1, 0, "clean")
    alter(admin, correction)
    assert ("mismatched", "amount_minor") in {
        (each["fault"], each["reason"].split(", ")[-1]) for each in reconciled(admin).details
    }


def test_a_correction_of_another_currency_than_was_decided_is_mismatched(
    admin: psycopg.Connection, billed: Billed
) -> None:
    correction = corrected(admin, billed[1], amount_minor=5_000)
    spoil(
        admin,
        "mentor_payable_ledgers",
        "UPDATE mentor_payable_ledgers SET currency = 'EUR' WHERE id = %s",
        correction,
    )
    assert wrong(reconciled(admin)) == {(str(correction), "currency")}


def test_a_correction_that_says_what_a_conflict_said_has_the_price_of_that_conflict(
    admin: psycopg.Connection, billed: Billed
) -> None:
    _, entry = billed
    payable = {
        "ledger_id": str(entry), "kind": "session", "mentor_id": "mentor-1",
        "contract_id": "contract-2", "student_id": "student-1", "session_id": "session-1",
        "service_package_id": None, "price_code": "double", "occurred_at": "2026-03-01T12:00:00Z",
        "source_event_id": str(uuid.uuid4()), "session_ids": ["session-1"],
    }  # fmt: skip
    insert_exception(
        admin,
        reason="ledger_conflict",
        kind="session",
        source_event_id=payable["source_event_id"],
        record=Jsonb({"payable": payable}),
    )
    correction = corrected(admin, entry)
    assert reconciled(admin).verdict == "clean"
    alter(admin, correction, 10_000)
    assert reconciled(admin).mismatched == 1


@pytest.mark.parametrize("by_hand", [{"amount_minor": 5_000}, {"price_code": "double"}, None])
def test_a_correction_that_no_event_calls_for_any_more_is_judged_by_what_was_decided(
    admin: psycopg.Connection, billed: Billed, by_hand: dict[str, Any] | None
) -> None:
    event, entry = billed
    if by_hand is None:
        # At the price of a day before: known to the price list, and to no event once voided.
        insert_price(admin, amount_minor=12_000, effective_from="2026-02-01T00:00:00Z")
    correction = corrected(admin, entry, **(by_hand or {}))
    receive(admin, void(admin, "session-1", event))
    found = reconciled(admin)
    assert (found.expected, found.decided, found.verdict) == (0, 1, "clean")
    alter(admin, correction)
    assert {each for each, _ in wrong(reconciled(admin))} == {str(correction)}


def test_a_correction_that_no_event_calls_for_and_nobody_decided_is_mismatched(
    admin: psycopg.Connection, billed: Billed
) -> None:
    reversal = reverse_by_nobody(admin, billed)
    correction = post(admin, "session-1", kind="correction")
    receive(admin, void(admin, "session-1", billed[0]))
    # Nor does an open conflict excuse what nobody posted by right.
    insert_exception(admin, reason="ledger_conflict", kind="session")
    assert {each for each, _ in wrong(reconciled(admin))} == {str(reversal), str(correction)}


def test_an_excess_session_is_decided_as_billed_singly_and_mismatched_once_altered(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin)
    insert_price(admin, price_code="course", amount_minor=200_000)
    complete_package(admin, ["p1", "p2", "beyond"], 2)
    post_package(admin, "p1", "p2")
    entry = post(admin, "beyond")
    assert wrong(reconciled(admin)) == {(str(entry), "not_owed")}
    action = {"action": "exceptions.bill_singly", "subject": "beyond"}
    record_action(admin, **action, detail={"billed_id": str(uuid.uuid4())})
    assert wrong(reconciled(admin)) == {(str(entry), "not_owed")}
    record_action(admin, **action, detail={"billed_id": entry})
    found = reconciled(admin)
    assert (found.mismatched, found.decided, found.verdict) == (0, 1, "clean")
    alter(admin, entry)
    assert wrong(reconciled(admin)) == {(str(entry), "amount_minor")}


def test_an_entry_that_is_owed_no_more_is_a_conflict_once_a_person_was_asked_about_it(
    admin: psycopg.Connection, billed: Billed
) -> None:
    event, entry = billed
    receive(admin, void(admin, "session-1", event))
    assert wrong(reconciled(admin)) == {(str(entry), "not_owed")}
    exception = insert_exception(
        admin,
        reason="ledger_conflict",
        kind="session",
        source_event_id=event.id,
        record=Jsonb({"ledger_id": str(entry)}),
    )
    found = reconciled(admin)
    assert (found.conflicts, found.mismatched, found.verdict) == (1, 0, "clean")
    assert found.details[0]["exception_id"] == str(exception)
    admin.execute("UPDATE billing_exceptions SET status = 'dismissed', resolution = 'a gift'")
    found = reconciled(admin)
    assert (found.conflicts, found.decided, found.verdict) == (0, 1, "clean")
    admin.execute("UPDATE billing_exceptions SET status = 'resolved'")
    assert reconciled(admin).mismatched == 1


@pytest.mark.parametrize("status", ["failed", "dismissed"])
def test_an_old_conflict_of_its_package_does_not_excuse_an_entry_that_nobody_owes(
    admin: psycopg.Connection, status: str
) -> None:
    complete_package(admin, ["p1"], 2)
    payload = package_payload("p2", 3)
    other = database_rows.insert_event(admin, database_rows.COMPLETED, payload)
    receive(admin, other)
    entry = post_package(admin, "p1", "p2")
    insert_exception(
        admin,
        reason="package_conflict",
        kind="package",
        subject="package-1",
        source_event_id=other.id,
        status=status,
        resolution="agreed",
    )
    assert wrong(reconciled(admin)) == {(str(entry), "not_owed")}
