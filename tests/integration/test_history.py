"""The history of a contract, session, package or mentor: one query on a real database."""

import psycopg
import pytest

from operations.history.chain import Subject
from operations.history.summary import Stretch, read_history
from tests.integration.database_rows import (
    complete,
    evaluate,
    insert_event,
    insert_exception,
    package_payload,
    reverse,
    void,
)
from tests.integration.reconciled import bill_session, complete_package, post, receive


def test_ten_sessions_and_nine_bills_name_the_one_that_waits_for_its_evaluation(
    owner: psycopg.Connection,
) -> None:
    for number in range(9):
        bill_session(owner, f"session-{number}")
    receive(owner, complete(owner, "session-9", requiredEvaluation=True))
    rows = read_history(owner, Subject(contract="contract-1")).chain
    waiting = [row for row in rows if row["billing"] != "billed"]
    assert [(row["aggregate_id"], row["billing"]) for row in waiting] == [
        ("session-9", "waiting_evaluation")
    ]
    assert waiting[0]["missing"] == "the evaluation of session session-9"
    assert str(read_history(owner, Subject(contract="contract-1")).summary) == (
        "10 sessions completed, 9 bills: session session-9 completed 2026-03-01T12:00:00Z waits "
        "for its evaluation (waiting_evaluation)."
    )


@pytest.mark.parametrize(
    "subject",
    [Subject(contract="contract-1"), Subject(session="s"), Subject(mentor="mentor-1")],
)
def test_a_chain_holds_evaluated_voided_and_consumed_events_of_its_sessions_in_order(
    owner: psycopg.Connection, subject: Subject
) -> None:
    evaluate(owner, "s")
    wrong = complete(owner, "s")
    consumed = {
        "contractId": "contract-1",
        "sessionId": "s",
        "sessionType": "standard",
        "quantity": 1,
        "remaining": 3,
    }
    insert_event(owner, "service.consumed", consumed, "contract", "contract-1")
    void(owner, "s", wrong)
    complete(owner, "other", contractId="contract-2", mentorId="mentor-2")
    types = [row["event_type"] for row in read_history(owner, subject).chain]
    assert types == [
        "services.session.evaluated",
        "services.session.completed",
        "service.consumed",
        "services.session.voided",
    ]


def test_a_contract_without_sessions_has_its_own_events(owner: psycopg.Connection) -> None:
    activated = {"contractId": "contract-1", "activatedAt": "2026-03-01T12:00:00Z"}
    insert_event(owner, "contract.activated", activated, "contract", "contract-1")
    rows = read_history(owner, Subject(contract="contract-1")).chain
    assert [row["event_type"] for row in rows] == ["contract.activated"]
    assert (
        str(read_history(owner, Subject(contract="contract-1")).summary)
        == "0 sessions completed, 0 bills."
    )


def test_a_package_says_how_many_of_its_sessions_are_billable(owner: psycopg.Connection) -> None:
    complete_package(owner, ["p1", "p2"], 3)
    payload = package_payload("p3", 3, requiredEvaluation=True)
    insert_event(owner, "services.session.completed", payload)
    rows = read_history(owner, Subject(package="package-1")).chain
    assert rows[0]["missing"] == "package package-1: 2 of 3 sessions are billable"
    assert rows[2]["billing"] == "waiting_evaluation"
    assert str(read_history(owner, Subject(package="package-1")).summary).startswith(
        "3 sessions completed, 0 bills: session p1 completed"
    )


def test_a_bill_is_shown_with_its_amount_and_a_reversed_one_is_none(
    owner: psycopg.Connection,
) -> None:
    _, entry = bill_session(owner, "s")
    (row,) = read_history(owner, Subject(session="s")).chain
    assert (row["ledger_id"], row["amount_minor"], row["currency"]) == (entry, 10_000, "USD")
    reverse(owner, entry, session_id="s")
    (row,) = read_history(owner, Subject(session="s")).chain
    assert row["ledger_id"] is None


def test_retries_and_the_last_error_are_part_of_the_chain(owner: psycopg.Connection) -> None:
    event = complete(owner, "s")
    insert_exception(owner, subject="s", kind="session", source_event_id=event.id)
    rows = read_history(owner, Subject(session="s")).chain
    assert (rows[0]["billing"], rows[0]["retry_count"], rows[0]["last_error"]) == (
        "failed",
        3,
        "no price",
    )
    assert "a person must look at the exception (failed): no price" in str(
        read_history(owner, Subject(session="s")).summary
    )


def test_a_subject_that_no_event_names_has_no_history(owner: psycopg.Connection) -> None:
    complete(owner, "s")
    assert read_history(owner, Subject(package="elsewhere")).chain == []


def test_a_package_bill_is_counted_once(owner: psycopg.Connection) -> None:
    complete_package(owner, ["p1", "p2"], 2)
    post(
        owner,
        "p1",
        "p2",
        kind="package",
        session_id=None,
        service_package_id="package-1",
    )
    assert (
        str(read_history(owner, Subject(mentor="mentor-1")).summary)
        == "2 sessions completed, 1 bill."
    )


def test_a_chain_is_read_in_stretches_that_join(owner: psycopg.Connection) -> None:
    for number in range(5):
        complete(owner, f"s{number}")
    subject = Subject(mentor="mentor-1")
    whole = read_history(owner, subject).chain
    first = read_history(owner, subject, Stretch(events_max=3)).chain
    rest = read_history(owner, subject, Stretch(first[-1]["created_at"], first[-1]["id"], 3)).chain
    assert [len(first), len(rest)] == [3, 2]
    assert first + rest == whole


def test_of_many_sessions_without_a_bill_the_first_are_named_and_all_are_counted(
    owner: psycopg.Connection,
) -> None:
    for number in range(23):
        complete(owner, f"s{number:02}", requiredEvaluation=True)
    found = read_history(owner, Subject(contract="contract-1")).summary
    assert (found.events, found.completed, found.bills, found.unbilled_count) == (23, 23, 0, 23)
    assert [session.session_id for session in found.unbilled] == [f"s{n:02}" for n in range(20)]
    assert str(found).endswith("; and 3 more.")
