"""The ways out of a conflict: voiding the wrong event, and billing an excess session singly."""

import json
import uuid
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from operations.exceptions.billing_singly import bill_singly
from operations.exceptions.dismissing import dismiss_exceptions
from operations.exceptions.retrying import retry_and_wait
from operations.exceptions.voiding import void_event
from operations.failures import ProblemError
from operations.ledger.reversing import Decision, reverse
from schemas.records import ExceptionReport
from stream_processors.billing.payables import ledger_id
from tests.integration.database_rows import (
    InsertedEvent,
    column,
    complete,
    evaluate,
    insert_event,
    insert_exception,
    void,
)
from tests.integration.ledger_writing import Writer, add_price

TERMS = {"servicePackageId": "p", "packageCode": "course", "packageTotalSessions": 1}


def excess(event: InsertedEvent, basis: int = 3, *, standing: bool = True) -> ExceptionReport:
    """What the packages agent reports of a session beyond its package's total."""
    return ExceptionReport(
        reason="package_exceeded",
        subject="p",
        source_event_id=str(event.id),
        standing=standing,
        basis=basis,
        error="one more" if standing else "no longer stands",
        record=json.dumps({"session_id": "s2", "event_id": str(event.id)}).encode(),
    )


def decide(owner: psycopg.Connection, writer: Writer) -> None:
    bill_singly(owner, writer.exception()["id"], actor="Dana", reason="an extra lesson")


def actions(owner: psycopg.Connection) -> list[tuple[Any, ...]]:
    return owner.execute(
        "SELECT actor, action, subject, reason, detail FROM operator_actions ORDER BY id"
    ).fetchall()


@pytest.fixture
def exceeded(writer: Writer, owner: psycopg.Connection) -> InsertedEvent:
    """Session s2, reported to be beyond package p; returns its completed event."""
    complete(owner, "s1", **TERMS)
    event = complete(owner, "s2", sessionType="single", **TERMS)
    writer.report(excess(event))
    return event


def test_a_voided_event_is_one_more_event_and_a_recorded_decision(
    owner: psycopg.Connection,
) -> None:
    wrong = complete(owner, "session-1")
    concerned = insert_exception(
        owner, reason="session_conflict", kind="session", source_event_id=wrong.id
    )
    insert_exception(owner, subject="session-2", kind="session")
    done = void_event(owner, wrong.id, actor="Dana", reason="entered twice")
    row = owner.execute(
        "SELECT aggregate_type, aggregate_id, event_type, payload FROM domain_events WHERE id = %s",
        [done.event_id],
    ).fetchone()
    payload = {"sessionId": "session-1", "eventId": str(wrong.id), "reason": "entered twice"}
    assert row == ("session", "session-1", "services.session.voided", payload)
    assert (done.session_id, done.exceptions) == ("session-1", [concerned])
    detail = {"voided_event_id": str(wrong.id), "event_id": str(done.event_id)}
    assert actions(owner) == [("Dana", "exceptions.void", "session-1", "entered twice", detail)]
    assert column(owner, "billing", wrong) == "failed", "until the report is withdrawn"


def test_what_cannot_be_voided_is_refused_and_nothing_is_recorded(
    owner: psycopg.Connection,
) -> None:
    first = complete(owner, "session-1")
    decision = void(owner, "session-1", first)
    signup = insert_event(
        owner,
        "user.signup",
        {"userId": "u", "signedUpAt": "2026-03-01T12:00:00Z"},
        aggregate_type="user",
        aggregate_id="u",
    )
    for event, said in (
        (first.id, f"voided already, by event {decision.id}: entered twice"),
        (decision.id, "is itself a decision"),
        (signup.id, "is a user.signup, which no bill rests on"),
        (uuid.uuid4(), "There is no event"),
    ):
        with pytest.raises(ProblemError, match=said):
            void_event(owner, event, actor="Dana", reason="entered twice")
    assert actions(owner) == []
    assert owner.execute("SELECT count(*) FROM domain_events").fetchone() == (3,)


def test_an_excess_session_is_posted_by_the_ledger_writer_once_it_is_decided(
    writer: Writer, owner: psycopg.Connection, exceeded: InsertedEvent
) -> None:
    add_price(owner)
    decide(owner, writer)
    assert writer.entries() == []
    assert writer.retry() == 1
    (entry,) = writer.entries()
    assert (entry["kind"], entry["session_id"], entry["amount_minor"]) == ("session", "s2", 10_000)
    assert (entry["source_event_id"], str(entry["id"])) == (exceeded.id, ledger_id("session", "s2"))
    assert writer.paid_sessions() == ["s2"]
    assert writer.exception()["status"] == "resolved"
    assert column(owner, "billing", exceeded) == "billed"
    ((actor, action, subject, reason, detail),) = actions(owner)
    assert (actor, action, subject) == ("Dana", "exceptions.bill_singly", "s2")
    assert (reason, detail["billed_id"]) == ("an extra lesson", ledger_id("session", "s2"))
    assert detail["package_id"] == "p"


def test_an_excess_session_that_needed_its_evaluation_is_billed_as_of_that(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner)
    completed = complete(owner, "s2", sessionType="single", requiredEvaluation=True, **TERMS)
    writer.report(excess(completed))
    with pytest.raises(ProblemError, match="no longer makes it billable"):
        decide(owner, writer)
    evaluated = evaluate(owner, "s2")
    decide(owner, writer)
    writer.retry()
    (entry,) = writer.entries()
    assert entry["source_event_id"] == evaluated.id


@pytest.mark.parametrize("posted", [True, False])
def test_the_decision_survives_redeliveries_and_later_reports(
    writer: Writer, owner: psycopg.Connection, exceeded: InsertedEvent, posted: bool
) -> None:
    add_price(owner)
    decide(owner, writer)
    if posted:
        writer.retry()
    before = writer.exception()
    writer.report(excess(exceeded))
    writer.report(excess(exceeded, basis=9))
    assert writer.exception() == before
    writer.retry()
    assert writer.exception()["status"] == "resolved"
    assert len(writer.entries()) == 1


def test_an_excess_session_that_became_a_member_before_it_was_posted_is_not_billed_singly(
    writer: Writer, owner: psycopg.Connection, exceeded: InsertedEvent
) -> None:
    add_price(owner)
    decide(owner, writer)
    writer.report(excess(exceeded, basis=9, standing=False))
    assert writer.retry() == 0
    assert writer.entries() == []
    assert writer.exception()["status"] == "resolved"
    writer.report(excess(exceeded, basis=10))
    assert writer.exception()["status"] == "failed", "it is decided anew"


@pytest.mark.usefixtures("exceeded")
def test_without_a_price_it_stays_decided_and_is_retried_after_the_price_came(
    writer: Writer, owner: psycopg.Connection
) -> None:
    decide(owner, writer)
    for _ in range(4):
        writer.make_due("package_exceeded")
        writer.retry()
    row = writer.exception()
    assert row["status"] == "failed"
    assert "no price single" in row["last_error"]
    with pytest.raises(ProblemError, match=f"outbox exceptions retry {row['id']}"):
        decide(owner, writer)
    add_price(owner)
    retry_and_wait(owner, [row["id"]], wait_seconds=0)
    writer.retry()
    assert len(writer.entries()) == 1
    assert [row[1] for row in actions(owner)] == ["exceptions.bill_singly", "exceptions.retry"]


def test_what_is_no_open_excess_cannot_be_billed_singly(
    writer: Writer, owner: psycopg.Connection, exceeded: InsertedEvent
) -> None:
    other = insert_exception(owner, reason="price_missing")
    for exception, said in (
        (uuid.uuid4(), "There is no exception"),
        (other, "is a price_missing of session-1"),
    ):
        with pytest.raises(ProblemError, match=said):
            bill_singly(owner, exception, actor="Dana", reason="an extra lesson")
    owner.execute("DELETE FROM billing_exceptions WHERE id = %s", [other])
    add_price(owner)
    decide(owner, writer)
    writer.retry()
    with pytest.raises(ProblemError, match="already resolved"):
        decide(owner, writer)
    assert len(actions(owner)) == 1
    assert column(owner, "billing", exceeded) == "billed"


def test_an_excess_session_that_was_billed_singly_and_taken_back_is_not_billed_so_again(
    writer: Writer, owner: psycopg.Connection, exceeded: InsertedEvent
) -> None:
    add_price(owner)
    decide(owner, writer)
    writer.retry()
    entry = uuid.UUID(ledger_id("session", "s2"))
    owner.execute("UPDATE billing_exceptions SET status = 'failed', record = record - 'payable'")
    with pytest.raises(ProblemError, match=f"is paid already, by ledger entry {entry}"):
        decide(owner, writer)
    reverse(owner, entry, Decision(actor="Dana", reason="not agreed"))
    with pytest.raises(ProblemError, match=f"outbox ledger correct {entry}"):
        decide(owner, writer)
    assert column(owner, "billing", exceeded) == "failed"


def test_each_retry_and_each_dismissal_is_recorded_under_its_subject(
    owner: psycopg.Connection,
) -> None:
    first = insert_exception(owner, record=Jsonb({"payable": {}}))
    second = insert_exception(owner, subject="session-2", reason="timeout")
    retry_and_wait(owner, [first], wait_seconds=0, actor="Kim")
    dismiss_exceptions(owner, [first, second], "paid by hand", "Dana")
    assert [row[:4] for row in actions(owner)] == [
        ("Kim", "exceptions.retry", "session-1", None),
        ("Dana", "exceptions.dismiss", "session-1", "paid by hand"),
        ("Dana", "exceptions.dismiss", "session-2", "paid by hand"),
    ]
    assert actions(owner)[0][4] == {
        "exception_id": str(first),
        "exception_reason": "price_missing",
    }
