"""Whatever is delivered again, the ledger stands as a person left it."""

import uuid

import psycopg
import pytest

from operations.exceptions.dismissing import dismiss_exceptions
from operations.ledger.correcting import correct
from operations.ledger.replacement import ByHand
from operations.ledger.reversing import Decision, reverse
from schemas.records import Payable
from stream_processors.billing.payables import ledger_id
from tests.integration.database_rows import complete
from tests.integration.ledger_writing import (
    Writer,
    add_price,
    event,
    package_payable,
    session_payable,
)

ENTRY = uuid.UUID(ledger_id("session", "session-1"))
DECISION = Decision(actor="Dana", reason="agreed by mail")
AS_SAID = ByHand()
FIRST = session_payable()
SECOND = session_payable(mentor_id="mentor-2", source_event_id=event(2))
THIRD = session_payable(mentor_id="mentor-3", source_event_id=event(3))


@pytest.fixture
def writer(writer: Writer, owner: psycopg.Connection) -> Writer:
    """It has a session's event, and the prices of three mentors."""
    complete(owner, "session-1", sessionType="single")
    for mentor in ("mentor-1", "mentor-2", "mentor-3"):
        add_price(owner, mentor_id=mentor)
    return writer


def open_conflicts(writer: Writer) -> list[str]:
    return [
        row["record"]["payable"]["mentor_id"]
        for row in writer.exceptions()
        if row["status"] == "failed"
    ]


def deliver_twice(writer: Writer, *payables: Payable) -> int:
    """Deliver payables twice, alone and in one batch; return how many entries there are then."""
    for payable in payables:
        writer.post(payable)
    writer.post(*payables)
    return len(writer.entries())


def test_after_a_reversal_nothing_that_was_said_before_brings_the_bill_back(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(FIRST)
    writer.post(SECOND)
    reverse(owner, ENTRY, DECISION)
    assert deliver_twice(writer, FIRST, SECOND) == 2
    assert open_conflicts(writer) == []


def test_after_a_correction_everything_said_before_changes_nothing(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(FIRST)
    writer.post(SECOND)
    correct(owner, ENTRY, DECISION, AS_SAID)
    assert deliver_twice(writer, FIRST, SECOND) == 3
    assert open_conflicts(writer) == []


def test_after_a_correction_by_hand_what_the_events_say_is_no_conflict(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(FIRST)
    by_hand = ByHand(mentor_id="mentor-9", amount_minor=1)
    _, correction = correct(owner, ENTRY, DECISION, by_hand)
    assert deliver_twice(writer, FIRST) == 3
    correct(owner, correction.id, DECISION, ByHand(mentor_id="mentor-8", amount_minor=1))
    assert deliver_twice(writer, FIRST) == 5
    assert writer.exceptions() == []


@pytest.mark.parametrize("decide", ["reverse", "correct"])
def test_what_the_events_say_for_the_first_time_after_a_decision_is_a_conflict(
    writer: Writer, owner: psycopg.Connection, decide: str
) -> None:
    writer.post(FIRST)
    writer.post(SECOND)
    if decide == "reverse":
        reverse(owner, ENTRY, DECISION)
    else:
        correct(owner, ENTRY, DECISION, AS_SAID)
    deliver_twice(writer, THIRD)
    assert open_conflicts(writer) == ["mentor-3"]
    last_error = writer.exceptions()[-1]["last_error"]
    assert "with another mentor_id" in last_error
    assert "`outbox ledger correct " in last_error


def test_other_facts_of_the_same_event_reopen_a_conflict_that_was_settled(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner, "course")
    package = uuid.UUID(ledger_id("package", "p"))
    writer.post(package_payable("p", "s1", "s2"))
    writer.post(package_payable("p", "s1", "s3"))
    correct(owner, package, DECISION, AS_SAID)
    writer.post(package_payable("p", "s1", "s3"))
    assert writer.exception()["status"] == "resolved"
    writer.post(package_payable("p", "s1", "s4"))
    row = writer.exception()
    assert (row["status"], row["record"]["payable"]["session_ids"]) == ("failed", ["s1", "s4"])


def test_a_conflict_is_resolved_once_the_events_agree_with_the_ledger_and_opens_again(
    writer: Writer,
) -> None:
    writer.post(FIRST)
    writer.post(SECOND)
    assert open_conflicts(writer) == ["mentor-2"]
    writer.post(FIRST)
    row = writer.exception()
    assert (row["status"], row["resolution"]) == (
        "resolved",
        "the events say again what stands in the ledger",
    )
    writer.post(SECOND)
    assert open_conflicts(writer) == ["mentor-2"], "nobody decided: it is one again"


def test_of_one_batch_the_last_word_counts(writer: Writer) -> None:
    writer.post(FIRST, SECOND, FIRST)
    assert open_conflicts(writer) == []
    writer.post(FIRST, SECOND)
    assert open_conflicts(writer) == ["mentor-2"]


def test_a_dismissed_conflict_stays_dismissed(writer: Writer, owner: psycopg.Connection) -> None:
    writer.post(FIRST)
    writer.post(SECOND)
    dismiss_exceptions(owner, [writer.exception()["id"]], "right as it stands")
    deliver_twice(writer, FIRST, SECOND)
    assert writer.exception()["status"] == "dismissed"


def test_a_conflict_about_a_session_paid_elsewhere_ends_when_it_can_be_posted(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner, "course")
    writer.post(package_payable("p", "session-1", "s2"))
    writer.post(FIRST)
    assert writer.exception()["reason"] == "ledger_conflict"
    reverse(owner, uuid.UUID(ledger_id("package", "p")), DECISION)
    writer.post(FIRST)
    row = writer.exception()
    assert (row["status"], row["resolution"]) == ("resolved", "posted")
    assert [entry["kind"] for entry in writer.entries()] == ["package", "reversal", "session"]
