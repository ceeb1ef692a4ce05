from datetime import timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.integration.ledger_writing import (
    NOON,
    Writer,
    add_price,
    conflict,
    event,
    inbound,
    package_payable,
    session_payable,
)


def _waits(writer: Writer) -> float:
    """Return how many seconds from its last change an exception waits for its next attempt."""
    exception = writer.exception()
    wait: timedelta = exception["next_attempt_at"] - exception["updated_at"]
    return wait.total_seconds()


def _fail_four_times(writer: Writer) -> None:
    writer.post(session_payable())
    for _ in range(3):
        writer.make_due()
        assert writer.retry() == 1


def test_a_bill_without_a_price_is_an_exception_and_the_rest_is_posted(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner, mentor_id="mentor-2")

    writer.post(session_payable(), session_payable("session-2", mentor_id="mentor-2"))

    assert [entry["session_id"] for entry in writer.entries()] == ["session-2"]
    exception = writer.exception()
    assert (exception["reason"], exception["status"]) == ("price_missing", "retrying")
    assert (exception["attempts"], exception["subject"]) == (1, "session-1")
    assert str(exception["source_event_id"]) == event(1)
    assert "mentor mentor-1 has no price single in force" in exception["last_error"]
    assert exception["record"]["payable"]["session_id"] == "session-1"


def test_a_price_that_begins_later_is_none(writer: Writer, owner: psycopg.Connection) -> None:
    add_price(owner, effective_from=NOON + timedelta(microseconds=1))

    writer.post(session_payable())

    assert writer.exception()["reason"] == "price_missing"


def test_it_is_retried_after_2_4_and_8_seconds_then_it_has_failed(writer: Writer) -> None:
    writer.post(session_payable())
    seen = []
    for _ in range(3):
        seen.append((writer.exception()["attempts"], round(_waits(writer), 1)))
        assert writer.retry() == 0, "it was tried before its time"
        writer.make_due()
        assert writer.retry() == 1

    assert seen == [(1, 2.0), (2, 4.0), (3, 8.0)]
    exception = writer.exception()
    assert (exception["attempts"], exception["status"]) == (4, "failed")
    assert exception["next_attempt_at"] is None
    assert writer.retry() == 0


def test_a_retry_that_succeeds_posts_and_resolves(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    writer.make_due()
    writer.retry()
    add_price(owner)
    writer.make_due()
    writer.retry()

    [entry] = writer.entries()
    assert entry["amount_minor"] == 10_000
    assert writer.paid_sessions() == ["session-1"]
    exception = writer.exception()
    assert (exception["status"], exception["resolution"]) == ("resolved", "posted")
    assert exception["resolved_at"] is not None


def test_a_failed_one_is_retried_by_hand_and_resolved(
    writer: Writer, owner: psycopg.Connection
) -> None:
    _fail_four_times(writer)
    writer.retry_by_hand()
    writer.retry()
    assert writer.exception()["status"] == "failed"

    add_price(owner)
    writer.retry_by_hand()
    writer.retry()

    assert writer.exception()["status"] == "resolved"
    assert len(writer.entries()) == 1


def test_a_package_is_retried_with_all_its_sessions(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(package_payable("package-1", "session-1", "session-2"))
    add_price(owner, "course", 200_000)
    writer.make_due()
    writer.retry()

    assert writer.paid_sessions() == ["session-1", "session-2"]
    assert writer.exception()["status"] == "resolved"


def test_a_redelivery_changes_neither_the_attempts_nor_the_time(writer: Writer) -> None:
    writer.post(session_payable())
    writer.make_due()
    writer.retry()
    before = writer.exception()

    for _ in range(3):
        writer.post(session_payable())

    assert writer.exception() == before


def test_a_redelivery_after_the_price_came_posts_and_resolves(
    writer: Writer, owner: psycopg.Connection
) -> None:
    _fail_four_times(writer)
    add_price(owner)

    writer.post(session_payable())

    assert len(writer.entries()) == 1
    assert (writer.exception()["status"], writer.exception()["resolution"]) == (
        "resolved",
        "posted",
    )


def test_a_redelivery_does_not_bring_a_resolved_exception_back(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    add_price(owner)
    writer.post(session_payable())
    writer.post(session_payable())

    assert writer.exception()["status"] == "resolved"


def test_one_that_was_posted_meanwhile_is_resolved_by_its_retry(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    add_price(owner)
    writer.post(session_payable())
    writer.retry_by_hand()
    writer.retry()

    assert len(writer.entries()) == 1
    assert writer.exception()["status"] == "resolved"


def test_a_retry_that_meets_another_entry_becomes_a_ledger_conflict(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(package_payable("package-1", "session-1"))
    add_price(owner)
    add_price(owner, "course")
    writer.post(session_payable())
    writer.make_due()
    writer.retry()

    reasons = {each["reason"]: each["status"] for each in writer.exceptions()}
    assert reasons == {"price_missing": "resolved", "ledger_conflict": "failed"}
    assert len(writer.entries()) == 1


def test_a_retry_that_meets_the_same_conflict_again_has_failed_again(
    writer: Writer, owner: psycopg.Connection
) -> None:
    """Were it resolved, an unpaid bill would be gone from everybody's sight."""
    add_price(owner)
    writer.post(session_payable(), session_payable(contract_id="contract-2"))
    assert writer.exception()["reason"] == "ledger_conflict"

    writer.retry_by_hand()
    writer.retry()

    exception = writer.exception()
    assert (exception["reason"], exception["status"]) == ("ledger_conflict", "failed")
    assert exception["attempts"] == 2


@pytest.mark.parametrize(
    "record",
    [
        None,
        {},
        [],
        "text",
        {"payable": None},
        {"payable": {"ledger_id": "x"}},
        {"value": "{", "topic": "events.session", "partition": 0, "offset": 1},
    ],
)
def test_retrying_what_holds_no_payable_fails_and_holds_nothing_up(
    writer: Writer, owner: psycopg.Connection, record: Any
) -> None:
    writer.report(conflict())
    owner.execute("UPDATE billing_exceptions SET record = %s", [Jsonb(record)])
    writer.post(session_payable("session-2", source_event_id=event(9)))
    add_price(owner)
    writer.retry_by_hand()

    writer.retry()

    statuses = {each["reason"]: each["status"] for each in writer.exceptions()}
    assert statuses == {"session_conflict": "failed", "price_missing": "resolved"}
    errors = [each["last_error"] for each in writer.exceptions() if each["status"] == "failed"]
    assert "holds no payable" in errors[0]


@pytest.mark.parametrize(
    "edit",
    [
        {"source_event_id": "no uuid"},
        {"ledger_id": 7},
        {"kind": "gift"},
        {"occurred_at": "yesterday"},
        {"occurred_at": "2026-03-01T12:00:00"},
        {"occurred_at": None},
        {"session_ids": "session-1"},
        {"session_ids": [1]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_an_edit_that_makes_no_payable_fails_and_can_be_edited_again(
    writer: Writer, owner: psycopg.Connection, edit: dict[str, Any]
) -> None:
    writer.post(session_payable())
    right = writer.exception()["record"]["payable"]
    add_price(owner)

    def edited(payable: dict[str, Any]) -> dict[str, Any]:
        owner.execute("UPDATE billing_exceptions SET record = %s", [Jsonb({"payable": payable})])
        writer.retry_by_hand()
        writer.retry()
        return writer.exception()

    assert edited({**right, **edit})["status"] == "failed"
    assert edited(right)["status"] == "resolved"
    assert len(writer.entries()) == 1


def test_an_edited_retry_posts_what_was_edited(writer: Writer, owner: psycopg.Connection) -> None:
    writer.post(session_payable())
    payable = writer.exception()["record"]["payable"] | {"price_code": "double"}
    add_price(owner, "double", 15_000)
    owner.execute("UPDATE billing_exceptions SET record = %s", [Jsonb({"payable": payable})])
    writer.retry_by_hand()
    writer.retry()

    assert [entry["amount_minor"] for entry in writer.entries()] == [15_000]
    assert writer.exception()["status"] == "resolved"


def test_an_undecodable_record_that_is_retried_as_it_is_stays_failed(writer: Writer) -> None:
    writer.post(inbound(b"{"))
    writer.retry_by_hand()
    writer.retry()

    assert (writer.exception()["reason"], writer.exception()["status"]) == ("undecodable", "failed")
