"""What the application never wrote, and what waits for too long, is found and named."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest

from operations.reconcile.comparison import Waits
from tests.integration.database_rows import (
    InsertedEvent,
    complete,
    evaluate,
    insert_event,
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
)


def consume(
    connection: psycopg.Connection, session: str, contract: str = "contract-1", **changes: Any
) -> InsertedEvent:
    payload = {
        "contractId": contract,
        "sessionId": session,
        "sessionType": "standard",
        "quantity": 1,
        "remaining": 3,
        **changes,
    }
    return insert_event(connection, "service.consumed", payload, "contract", contract)


def sign(connection: psycopg.Connection, contract: str = "contract-1") -> None:
    payload = {
        "contractId": contract,
        "studentId": "student-1",
        "signedAt": "2026-03-01T12:00:00Z",
        "services": [{"sessionType": "standard", "quantity": 4}],
    }
    insert_event(connection, "contract.signed", payload, "contract", contract)


def test_sessions_that_are_completed_and_consumed_are_clean(admin: psycopg.Connection) -> None:
    insert_price(admin)
    sign(admin)
    bill_session(admin, "session-1")
    consume(admin, "session-1")
    assert reconciled(admin).verdict == "clean"


def test_plain_inserts_of_sessions_alone_are_clean(admin: psycopg.Connection) -> None:
    insert_price(admin)
    bill_session(admin, "session-1")
    sign(admin, "another-contract")
    assert reconciled(admin).verdict == "clean"


def test_a_session_consumed_and_never_completed_is_found(admin: psycopg.Connection) -> None:
    event = consume(admin, "session-1")
    found = reconciled(admin)
    assert (found.consumed_without_completed, found.verdict) == (1, "discrepancy")
    (detail,) = found.details
    assert (detail["fault"], detail["subject"]) == ("consumed_without_completed", "session-1")
    assert (detail["contract_id"], detail["event_id"]) == ("contract-1", str(event.id))
    complete(admin, "session-1")
    assert reconciled(admin).consumed_without_completed == 0


@pytest.mark.parametrize("told_by", [sign, lambda admin: consume(admin, "another-session")])
def test_a_session_completed_and_never_consumed_is_found_where_the_contract_is_told_of(
    admin: psycopg.Connection, told_by: Any
) -> None:
    insert_price(admin)
    bill_session(admin, "session-1")
    assert reconciled(admin).completed_without_consumed == 0
    told_by(admin)
    found = reconciled(admin)
    assert (found.completed_without_consumed, found.verdict) == (1, "discrepancy")
    assert "session-1" in {detail["subject"] for detail in found.details}
    consume(admin, "session-1")
    assert reconciled(admin).completed_without_consumed == 0


def test_consumed_on_another_contract_than_completed_is_both(admin: psycopg.Connection) -> None:
    insert_price(admin)
    sign(admin)
    bill_session(admin, "session-1")
    consume(admin, "session-1", "contract-2")
    found = reconciled(admin)
    assert (found.consumed_without_completed, found.completed_without_consumed) == (1, 1)


def test_a_completion_that_a_person_voided_lacks_nothing(admin: psycopg.Connection) -> None:
    event = complete(admin, "session-1")
    consume(admin, "session-1")
    void(admin, "session-1", event)
    found = reconciled(admin)
    assert (found.consumed_without_completed, found.completed_without_consumed) == (0, 0)


def test_one_of_a_pair_has_a_moment_before_the_other_is_missed(admin: psycopg.Connection) -> None:
    sign(admin)
    consume(admin, "session-1")
    receive(admin, complete(admin, "session-2"))
    found = reconciled(admin, grace_seconds=60)
    assert (found.consumed_without_completed, found.completed_without_consumed) == (0, 0)
    found = reconciled(admin)
    assert (found.consumed_without_completed, found.completed_without_consumed) == (1, 1)


def test_a_package_one_short_because_a_completion_was_never_written_is_stuck(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin, price_code="course", amount_minor=200_000)
    complete_package(admin, ["p1", "p2"], 3)
    for session in ("p1", "p2"):
        consume(admin, session)
    assert reconciled(admin).verdict == "clean", "it waits for its third session, as it may"
    consume(admin, "p3")
    found = reconciled(admin)
    assert (found.packages_stuck, found.consumed_without_completed) == (1, 1)
    assert (found.waiting_for, found.verdict) == ({"package": 1}, "discrepancy")
    stuck = next(detail for detail in found.details if detail["fault"] == "package_stuck")
    assert (stuck["subject"], stuck["short_by"], stuck["sessions"]) == ("package-1", 1, 3)
    assert stuck["absent_session_ids"] == ["p3"]

    complete_package(admin, ["p3"], 3)
    post_package(admin, "p1", "p2", "p3")
    assert reconciled(admin).verdict == "clean"


def test_a_package_that_lacks_more_than_was_consumed_is_not_stuck(
    admin: psycopg.Connection,
) -> None:
    complete_package(admin, ["p1"], 3)
    consume(admin, "p1")
    consume(admin, "p2")
    assert reconciled(admin).packages_stuck == 0
    consume(admin, "other", sessionType="another")
    assert reconciled(admin).packages_stuck == 0, "a session of another type is none of its own"
    consume(admin, "p3")
    assert reconciled(admin).packages_stuck == 1


@pytest.mark.parametrize("kind", ["completion", "evaluation", "package"])
def test_a_wait_beyond_its_limit_is_overdue_and_named(admin: psycopg.Connection, kind: str) -> None:
    receive(admin, evaluate(admin, "waits-for-completion"))
    receive(admin, complete(admin, "waits-for-evaluation", requiredEvaluation=True))
    complete_package(admin, ["p1"], 2)
    found = reconciled(admin)
    assert (found.waiting, found.overdue_waits, found.verdict) == (3, 0, "clean")

    found = reconciled(admin, waits=Waits(**{f"{kind}_days_max": 0}))
    assert (found.waiting, found.overdue_waits, found.verdict) == (3, 1, "discrepancy")
    (detail,) = found.details
    assert (detail["fault"], detail["reason"]) == ("overdue", kind)
    assert detail["subject"] in {f"waits-for-{kind}", "package-1"}


def test_each_day_has_its_own_figures(admin: psycopg.Connection) -> None:
    insert_price(admin)
    bill_session(admin, "session-1")
    today = datetime.now(UTC)
    late = [today - timedelta(days=2), today - timedelta(days=1)]
    for number, created_at in enumerate(late):
        event = complete(admin, f"session-{number + 2}")
        admin.execute("ALTER TABLE domain_events DISABLE TRIGGER USER")
        admin.execute(
            "UPDATE domain_events SET created_at = %s WHERE id = %s", [created_at, event.id]
        )
        receive(admin, event, offset=number)
    post(admin, "session-3")
    found = reconciled(admin)
    assert [day.day for day in found.days] == [each.date() for each in (*late, today)]
    assert [(day.events, day.expected, day.billed, day.missing) for day in found.days] == [
        (1, 1, 0, 1),
        (1, 1, 1, 0),
        (1, 1, 1, 0),
    ]
    assert (found.events, found.expected, found.billed, found.missing) == (3, 3, 2, 1)


def test_a_receipt_of_a_topic_that_was_made_anew_does_not_hide_a_missing_bill(
    admin: psycopg.Connection,
) -> None:
    receive(admin, complete(admin, "session-1"), offset=50)
    now = datetime.now(UTC)
    # Offset 50 of a topic that ends at 10, long after its receipt: it is another topic's.
    asked: dict[str, Any] = {"judged": {0: 10}, "ends": {0: 10}}
    assert reconciled(admin, **asked, asked_at=now).missing == 1
    assert reconciled(admin, **asked, asked_at=now - timedelta(hours=1)).missing == 0
    asked["judged"] = {0: 9}
    assert reconciled(admin, **asked, asked_at=now).waiting_for == {"in_flight": 1}
