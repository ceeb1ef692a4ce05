"""The rules that reconciliation states in SQL: what waits, what counts, and when it fell due."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from operations.reconcile.comparison import Scope, events_to_send_again
from tests.integration.database_rows import (
    complete,
    evaluate,
    insert_event,
    insert_exception,
    package_payload,
    void,
)
from tests.integration.reconciled import (
    PASSED,
    bill_session,
    complete_package,
    insert_price,
    post,
    post_package,
    receive,
    reconciled,
)


def test_what_waits_for_completion_evaluation_or_its_package_is_waiting(
    admin: psycopg.Connection,
) -> None:
    receive(admin, evaluate(admin, "session-1"))
    receive(admin, complete(admin, "session-2", requiredEvaluation=True))
    complete_package(admin, ["p1", "p2"], 3)
    found = reconciled(admin)
    assert found.waiting_for == {"completion": 1, "evaluation": 1, "package": 1}
    assert (found.expected, found.waiting, found.verdict) == (0, 3, "clean")


def test_a_package_with_a_session_in_flight_is_waiting_not_wrong(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin, price_code="course", amount_minor=200_000)
    complete_package(admin, ["p1"], 2)
    late = insert_event(admin, "services.session.completed", package_payload("p2", 2))
    receive(admin, late, offset=50)
    found = reconciled(admin, judged={0: 50})
    assert (found.missing, found.waiting_for) == (0, {"in_flight": 1})


def test_a_package_that_straddles_two_windows_is_judged_in_that_of_its_last_event(
    admin: psycopg.Connection,
) -> None:
    first, last = complete_package(admin, ["p1", "p2"], 2)
    between = first.created_at + (last.created_at - first.created_at) / 2
    assert reconciled(admin, until=between).missing == 0
    assert reconciled(admin, since=between).missing == 1
    assert reconciled(admin, since=last.created_at + timedelta(seconds=1)).missing == 0


def test_of_several_completed_events_the_smallest_that_was_not_voided_counts(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin, mentor_id="mentor-2")
    wrong = complete(admin, "session-1")
    right = complete(admin, "session-1", mentorId="mentor-2")
    for event in (wrong, right, void(admin, "session-1", wrong)):
        receive(admin, event)
    post(admin, "session-1", mentor_id="mentor-2", source_event_id=right.id)
    assert reconciled(admin).verdict == "clean"


def test_sessions_on_other_terms_or_beyond_the_total_are_no_members(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin, price_code="course", amount_minor=200_000)
    complete_package(admin, ["p1"], 2)
    complete_package(admin, ["other"], 3)
    complete_package(admin, ["p2", "beyond"], 2)
    post_package(admin, "p1", "p2")
    found = reconciled(admin)
    assert (found.expected, found.billed, found.verdict) == (1, 1, "clean")


def test_times_with_any_offset_are_instants(admin: psycopg.Connection) -> None:
    insert_price(admin)
    event = complete(admin, "session-1", completedAt="2026-03-02T11:00:00+23:00")
    receive(admin, event)
    post(admin, "session-1", source_event_id=event.id)
    assert reconciled(admin).verdict == "clean"


def test_only_the_first_offenders_are_described_and_all_are_counted(
    admin: psycopg.Connection,
) -> None:
    for number in range(5):
        receive(admin, complete(admin, f"session-{number}"))
    found = reconciled(admin, details_max=2)
    assert (found.missing, len(found.details), found.details_left_out) == (5, 2, 3)


def test_a_package_posted_before_a_smaller_session_counted_is_a_conflict(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin, price_code="course", amount_minor=200_000)
    payload = package_payload("p0", 2, requiredEvaluation=True)
    receive(admin, insert_event(admin, "services.session.completed", payload))
    events = complete_package(admin, ["p1", "p2"], 2)
    post_package(admin, "p1", "p2")
    assert reconciled(admin).verdict == "clean"
    receive(admin, evaluate(admin, "p0"))
    insert_exception(
        admin,
        reason="ledger_conflict",
        kind="package",
        subject="package-1",
        source_event_id=events[-1].id,
    )
    found = reconciled(admin)
    assert (found.conflicts, found.mismatched, found.verdict) == (1, 0, "clean")


@pytest.mark.parametrize("since", [None, datetime(2020, 1, 1, tzinfo=UTC)])
def test_all_events_of_a_missing_bill_are_sent_again_and_no_others(
    admin: psycopg.Connection, since: datetime | None
) -> None:
    insert_price(admin)
    bill_session(admin, "billed")
    receive(admin, complete(admin, "waits", requiredEvaluation=True))
    payload = package_payload("p1", 2, requiredEvaluation=True)
    members = [
        insert_event(admin, "services.session.completed", payload),
        evaluate(admin, "p1"),
        *complete_package(admin, ["p2"], 2),
    ]
    for event in members[:2]:
        receive(admin, event)
    undelivered = complete(admin, "undelivered")
    scope = Scope(judged=PASSED, undelivered=[undelivered.id], since=since)
    wanted = {event.id for event in [*members, undelivered]}
    assert set(events_to_send_again(admin, scope)) == wanted
