"""What is owed no more: a bill that waits is not paid any more, one that stands has a conflict."""

import uuid

import psycopg
import pytest

from operations.exceptions.retrying import retry_and_wait
from operations.ledger.correcting import correct
from operations.ledger.replacement import ByHand
from operations.ledger.reversing import Decision, reverse
from stream_processors.billing.payables import ledger_id, withdrawn
from tests.integration.ledger_writing import (
    Writer,
    add_price,
    event,
    package_payable,
    session_payable,
)

ENTRY = uuid.UUID(ledger_id("session", "session-1"))
DECISION = Decision(actor="Dana", reason="agreed by mail")
PAYABLE = session_payable()
VOIDED = withdrawn("session", "session-1", event(9))


def standing(writer: Writer) -> list[tuple[str, str]]:
    return [(row["reason"], row["status"]) for row in writer.exceptions()]


def test_a_bill_that_waits_for_its_price_is_not_paid_once_nothing_is_owed(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(PAYABLE)
    writer.post(VOIDED)
    assert standing(writer) == [("price_missing", "resolved")]
    add_price(owner)
    writer.make_due()
    writer.retry()
    assert retry_and_wait(owner, [writer.exception()["id"]])[0].became.startswith("resolved")
    assert writer.entries() == []


@pytest.mark.parametrize("together", [True, False])
def test_what_is_owed_again_is_posted(
    writer: Writer, owner: psycopg.Connection, together: bool
) -> None:
    again = session_payable(source_event_id=event(10))
    if together:
        writer.post(PAYABLE, VOIDED, again)
    else:
        for said in (PAYABLE, VOIDED, again):
            writer.post(said)
    add_price(owner)
    writer.make_due()
    writer.retry()
    assert [str(entry["source_event_id"]) for entry in writer.entries()] == [event(10)]


def test_a_bill_that_comes_back_under_the_same_event_waits_again(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(package_payable("p", "s1", "s2"))
    writer.post(withdrawn("package", "p", event(9)))
    writer.post(package_payable("p", "s2", "s3"))
    assert standing(writer) == [("price_missing", "retrying")]
    add_price(owner, "course")
    writer.make_due()
    writer.retry()
    assert writer.paid_sessions() == ["s2", "s3"]


def test_of_a_bill_that_waits_only_what_was_said_last_is_paid(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(package_payable("p", "s1", "s2"))
    writer.post(package_payable("p", "s2", "s3", source_event_id=event(3)))
    writer.post(package_payable("p", "s2", "s4", source_event_id=event(3)))
    assert {*standing(writer)} == {("price_missing", "resolved"), ("price_missing", "retrying")}
    add_price(owner, "course")
    writer.make_due()
    writer.retry()
    assert writer.paid_sessions() == ["s2", "s4"]


def test_a_payable_that_is_taken_back_in_its_own_batch_is_not_posted(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner)
    writer.post(PAYABLE, VOIDED)
    assert (writer.entries(), writer.exceptions()) == ([], [])


def test_an_entry_that_nobody_owes_any_more_is_a_conflict_until_it_is_reversed(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner)
    writer.post(PAYABLE)
    for _ in range(2):
        writer.post(VOIDED)
    assert standing(writer) == [("ledger_conflict", "failed")]
    row = writer.exception()
    assert f"outbox ledger reverse {ENTRY}" in row["last_error"]
    assert (row["kind"], row["subject"], str(row["source_event_id"])) == (
        "session", "session-1", event(9),
    )  # fmt: skip
    reverse(owner, ENTRY, DECISION)
    for _ in range(2):
        writer.post(VOIDED)
    assert standing(writer) == [("ledger_conflict", "resolved")]


def test_an_entry_that_a_person_corrected_nevertheless_is_no_conflict_again(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner)
    writer.post(PAYABLE)
    writer.post(VOIDED)
    correct(owner, ENTRY, DECISION, ByHand(amount_minor=5))
    writer.post(VOIDED)
    assert standing(writer) == [("ledger_conflict", "resolved")]


def test_a_conflict_ends_once_the_bill_is_owed_again(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner)
    writer.post(PAYABLE)
    writer.post(VOIDED)
    writer.post(session_payable(source_event_id=event(10)))
    assert standing(writer) == [("ledger_conflict", "resolved")]


def test_a_bill_kept_out_by_another_is_posted_by_a_retry_once_that_was_taken_back(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner)
    add_price(owner, "course")
    writer.post(PAYABLE)
    writer.post(package_payable("p", "session-1", "s2"))
    assert standing(writer) == [("ledger_conflict", "failed")]
    assert "outbox ledger reverse" in writer.exception()["last_error"]
    reverse(owner, ENTRY, DECISION)
    writer.retry_by_hand()
    writer.retry()
    assert standing(writer) == [("ledger_conflict", "resolved")]
    assert writer.paid_sessions() == ["s2", "session-1", "session-1"]
