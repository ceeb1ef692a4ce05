"""The column `billing` of domain_event_status, rule by rule."""

import psycopg
import pytest

from tests.integration.database_rows import (
    COMPLETED,
    EVALUATED,
    NOON,
    InsertedEvent,
    column,
    complete,
    evaluate,
    insert_entry,
    insert_event,
    insert_exception,
    package_payload,
    pay,
    reverse,
    void,
)

LATER = "2026-03-02T12:00:00Z"


def billing(connection: psycopg.Connection, *events: InsertedEvent) -> list[str]:
    return [column(connection, "billing", event) for event in events]


def member(
    connection: psycopg.Connection, session_id: str, total: int, **changes: object
) -> InsertedEvent:
    return insert_event(connection, COMPLETED, package_payload(session_id, total, **changes))


def exception(connection: psycopg.Connection, status: str, **changes: object) -> None:
    extra = {
        "retrying": {"next_attempt_at": NOON},
        "dismissed": {"resolution": "settled by hand"},
    }
    insert_exception(connection, status=status, **extra.get(status, {}), **changes)


def test_a_completed_session_is_due_until_an_entry_pays_it(scratch: psycopg.Connection) -> None:
    event = complete(scratch, "session-1")
    assert billing(scratch, event) == ["due"]
    pay(scratch, insert_entry(scratch), "session-1")
    assert billing(scratch, event) == ["billed"]


def test_a_session_whose_entry_a_person_reversed_is_dismissed(scratch: psycopg.Connection) -> None:
    event = complete(scratch, "session-1")
    entry = insert_entry(scratch)
    pay(scratch, entry, "session-1")
    reverse(scratch, entry)
    assert billing(scratch, event) == ["dismissed"]
    pay(scratch, insert_entry(scratch, kind="correction"), "session-1")
    assert billing(scratch, event) == ["billed"]


def test_a_session_that_requires_evaluation_waits_for_it(scratch: psycopg.Connection) -> None:
    completed = complete(scratch, "session-1", requiredEvaluation=True)
    assert billing(scratch, completed) == ["waiting_evaluation"]
    evaluated = evaluate(scratch, "session-1")
    assert billing(scratch, completed, evaluated) == ["due", "due"]
    pay(scratch, insert_entry(scratch), "session-1")
    assert billing(scratch, completed, evaluated) == ["billed", "billed"]


def test_an_evaluation_waits_for_the_completion(scratch: psycopg.Connection) -> None:
    evaluated = evaluate(scratch, "session-1")
    assert billing(scratch, evaluated) == ["waiting_completion"]
    completed = complete(scratch, "session-1", requiredEvaluation=True)
    assert billing(scratch, completed, evaluated) == ["due", "due"]


def test_an_evaluation_that_is_not_required_is_not_billable(scratch: psycopg.Connection) -> None:
    completed, evaluated = complete(scratch, "session-1"), evaluate(scratch, "session-1")
    assert billing(scratch, completed, evaluated) == ["due", "not_billable"]


def test_of_several_events_of_a_kind_the_smallest_id_counts(scratch: psycopg.Connection) -> None:
    first = complete(scratch, "session-1", requiredEvaluation=True)
    second = complete(scratch, "session-1", requiredEvaluation=True)
    evaluations = evaluate(scratch, "session-1"), evaluate(scratch, "session-1")
    assert billing(scratch, first, second) == ["due", "not_billable"]
    assert billing(scratch, *evaluations) == ["due", "not_billable"]


def test_a_voided_event_counts_as_absent_and_the_next_one_counts(
    scratch: psycopg.Connection,
) -> None:
    first, second = complete(scratch, "session-1"), complete(scratch, "session-1")
    decision = void(scratch, "session-1", first)
    assert billing(scratch, first, second, decision) == ["not_billable", "due", "not_billable"]


def test_a_voided_evaluation_is_waited_for_again(scratch: psycopg.Connection) -> None:
    completed = complete(scratch, "session-1", requiredEvaluation=True)
    evaluated = evaluate(scratch, "session-1")
    void(scratch, "session-1", evaluated)
    assert billing(scratch, completed, evaluated) == ["waiting_evaluation", "not_billable"]


def test_another_sessions_decision_voids_nothing(scratch: psycopg.Connection) -> None:
    event = complete(scratch, "session-1")
    void(scratch, "session-2", event)
    assert billing(scratch, event) == ["due"]


def test_a_package_waits_for_its_last_session(scratch: psycopg.Connection) -> None:
    first, second = member(scratch, "session-1", 3), member(scratch, "session-2", 3)
    assert billing(scratch, first, second) == ["waiting_package"] * 2
    third = member(scratch, "session-3", 3)
    assert billing(scratch, first, second, third) == ["due"] * 3
    entry = insert_entry(scratch, kind="package", session_id=None, service_package_id="package-1")
    for session_id in ("session-1", "session-2", "session-3"):
        pay(scratch, entry, session_id)
    assert billing(scratch, first, second, third) == ["billed"] * 3


def test_a_package_waits_for_a_required_evaluation(scratch: psycopg.Connection) -> None:
    first = member(scratch, "session-1", 2)
    second = member(scratch, "session-2", 2, requiredEvaluation=True)
    assert billing(scratch, first, second) == ["waiting_package", "waiting_evaluation"]
    evaluated = evaluate(scratch, "session-2")
    assert billing(scratch, first, second, evaluated) == ["due"] * 3


def test_the_same_session_twice_is_one_of_its_package(scratch: psycopg.Connection) -> None:
    first, again = member(scratch, "session-1", 2), member(scratch, "session-1", 2)
    assert billing(scratch, first, again) == ["waiting_package", "not_billable"]


def test_a_session_on_other_terms_does_not_complete_its_package(
    scratch: psycopg.Connection,
) -> None:
    first = member(scratch, "session-1", 2)
    other = member(scratch, "session-2", 2, mentorId="mentor-2")
    assert billing(scratch, first, other) == ["waiting_package", "not_billable"]


@pytest.mark.parametrize(
    "changes",
    [
        {"mentorId": "other"},
        {"contractId": "other"},
        {"studentId": "other"},
        {"packageCode": "other"},
        {"packageTotalSessions": 3},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_each_of_the_terms_matters(scratch: psycopg.Connection, changes: dict[str, object]) -> None:
    first = insert_event(scratch, COMPLETED, package_payload("session-1", 2))
    insert_event(scratch, COMPLETED, {**package_payload("session-2", 2), **changes})
    assert billing(scratch, first) == ["waiting_package"]


def test_the_session_type_is_no_term_of_a_package(scratch: psycopg.Connection) -> None:
    events = (
        member(scratch, "session-1", 2),
        member(scratch, "session-2", 2, sessionType="intensive"),
    )
    assert billing(scratch, *events) == ["due", "due"]


def test_a_session_beyond_the_total_is_no_member(scratch: psycopg.Connection) -> None:
    events = [member(scratch, f"session-{number}", 2) for number in range(3)]
    assert billing(scratch, *events) == ["due", "due", "not_billable"]


def test_a_session_whose_counting_event_names_another_package_is_no_member(
    scratch: psycopg.Connection,
) -> None:
    counting = complete(scratch, "session-1")
    member(scratch, "session-1", 2)
    waiting = member(scratch, "session-2", 2)
    assert billing(scratch, counting, waiting) == ["due", "waiting_package"]


@pytest.mark.parametrize("status", ["retrying", "failed", "dismissed"])
def test_an_exception_of_the_event_is_shown(scratch: psycopg.Connection, status: str) -> None:
    event = complete(scratch, "session-1")
    exception(scratch, status, source_event_id=event.id)
    assert billing(scratch, event) == [status]


def test_a_resolved_exception_is_not_shown(scratch: psycopg.Connection) -> None:
    event = complete(scratch, "session-1")
    exception(scratch, "resolved", source_event_id=event.id)
    assert billing(scratch, event) == ["due"]


def test_an_exception_of_the_sessions_bill_is_shown_on_both_its_events(
    scratch: psycopg.Connection,
) -> None:
    completed = complete(scratch, "session-1", requiredEvaluation=True)
    evaluated = evaluate(scratch, "session-1")
    exception(
        scratch, "retrying", kind="session", subject="session-1", source_event_id=evaluated.id
    )
    assert billing(scratch, completed, evaluated) == ["retrying", "retrying"]


def test_an_exception_of_the_packages_bill_is_shown_on_every_member(
    scratch: psycopg.Connection,
) -> None:
    events = member(scratch, "session-1", 2), member(scratch, "session-2", 2)
    other = complete(scratch, "package-1")
    exception(scratch, "failed", kind="package", subject="package-1", source_event_id=events[1].id)
    assert billing(scratch, *events) == ["failed", "failed"]
    assert billing(scratch, other) == ["due"]


def test_a_conflict_is_shown_on_the_event_that_contradicts_only(
    scratch: psycopg.Connection,
) -> None:
    first, second = (
        complete(scratch, "session-1"),
        complete(scratch, "session-1", mentorId="mentor-2"),
    )
    exception(
        scratch,
        "failed",
        reason="session_conflict",
        kind="session",
        subject="session-1",
        source_event_id=second.id,
    )
    assert billing(scratch, first, second) == ["due", "failed"]


def test_of_several_exceptions_the_failed_one_is_shown(scratch: psycopg.Connection) -> None:
    event = complete(scratch, "session-1")
    for status in ("dismissed", "retrying", "failed"):
        exception(scratch, status, source_event_id=event.id)
    assert billing(scratch, event) == ["failed"]


def test_events_that_bill_nothing_say_so(scratch: psycopg.Connection) -> None:
    consumed = insert_event(
        scratch,
        "service.consumed",
        {
            "contractId": "contract-1",
            "sessionId": "session-1",
            "sessionType": "standard",
            "quantity": 1,
            "remaining": 9,
        },
        aggregate_type="contract",
        aggregate_id="contract-1",
    )
    assert billing(scratch, consumed) == ["not_billable"]


def test_the_smallest_id_counts_whatever_was_inserted_first(scratch: psycopg.Connection) -> None:
    row = scratch.execute("SELECT domain_event_id()").fetchone()
    assert row is not None
    later = complete(scratch, "session-1")
    scratch.execute(
        "INSERT INTO domain_events (id, aggregate_type, aggregate_id, event_type, payload) "
        "SELECT %s, aggregate_type, aggregate_id, event_type, payload FROM domain_events",
        [row[0]],
    )
    assert billing(scratch, later, InsertedEvent(row[0], later.created_at)) == [
        "not_billable",
        "due",
    ]


def test_an_auditor_may_ask_what_became_of_a_bill(
    owner: psycopg.Connection, auditor: psycopg.Connection
) -> None:
    event = member(owner, "session-1", 1, requiredEvaluation=True)
    insert_event(owner, EVALUATED, {"sessionId": "session-1", "evaluatedAt": LATER})
    assert billing(auditor, event) == ["due"]
