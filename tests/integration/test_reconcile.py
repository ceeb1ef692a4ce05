"""Each kind of discrepancy, planted in a real database, is found; what is right is clean."""

import uuid

import psycopg

from operations.ledger.correcting import correct
from operations.ledger.replacement import ByHand
from operations.ledger.reversing import Decision, reverse
from tests.integration.database_rows import complete, insert_exception, void
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


def test_a_ledger_that_says_what_the_events_say_is_clean(admin: psycopg.Connection) -> None:
    insert_price(admin)
    insert_price(admin, price_code="course", amount_minor=200_000)
    bill_session(admin, "session-1")
    events = complete_package(admin, ["p1", "p2", "p3"], 3)
    post_package(admin, "p1", "p2", "p3", source_event_id=events[-1].id)
    found = reconciled(admin)
    assert (found.events, found.expected, found.billed, found.waiting) == (4, 2, 2, 0)
    assert (found.loss_percent, found.error_percent, found.verdict) == (0, 0, "clean")
    assert found.details == []


def test_a_receipt_without_its_effect_is_missing(admin: psycopg.Connection) -> None:
    insert_price(admin)
    bill_session(admin, "session-1")
    receive(admin, complete(admin, "session-2"))
    found = reconciled(admin)
    assert (found.expected, found.billed, found.missing) == (2, 1, 1)
    assert found.loss_percent == 50
    assert found.verdict == "roll_back"
    assert found.details[0]["fault"] == "missing"
    assert found.details[0]["subject"] == "session-2"


def test_one_lost_in_a_thousand_is_a_discrepancy_and_no_reason_to_roll_back(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin)
    with admin.transaction():
        for number in range(300):
            bill_session(admin, f"session-{number}")
        receive(admin, complete(admin, "lost"))
    assert (reconciled(admin).missing, reconciled(admin).verdict) == (1, "discrepancy")


def test_a_bill_that_the_processors_have_not_passed_is_waiting(admin: psycopg.Connection) -> None:
    receive(admin, complete(admin, "session-1"), offset=7)
    found = reconciled(admin, judged={0: 7})
    assert (found.missing, found.waiting, found.verdict) == (0, 1, "clean")
    assert found.waiting_for == {"in_flight": 1}
    assert reconciled(admin, judged={0: 8}).missing == 1


def test_while_a_later_stage_is_behind_nothing_is_called_missing(
    admin: psycopg.Connection,
) -> None:
    receive(admin, complete(admin, "session-1"))
    found = reconciled(admin, lagging=True)
    assert (found.missing, found.waiting_for) == (0, {"in_flight": 1})


def test_a_ledger_row_with_another_amount_is_mismatched(admin: psycopg.Connection) -> None:
    insert_price(admin)
    _, entry = bill_session(admin, "session-1")
    spoil(
        admin,
        "mentor_payable_ledgers",
        "UPDATE mentor_payable_ledgers SET amount_minor = 9999 WHERE id = %s",
        entry,
    )
    found = reconciled(admin)
    assert (found.billed, found.mismatched, found.missing) == (1, 1, 0)
    assert (found.error_percent, found.verdict) == (100, "roll_back")
    assert found.details[0]["reason"] == "amount_minor"
    assert found.details[0]["ledger_id"] == str(entry)


def test_a_ledger_row_of_another_mentor_time_or_sessions_is_mismatched(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin)
    insert_price(admin, mentor_id="mentor-2")
    insert_price(admin, price_code="course", amount_minor=200_000)
    bill_session(admin, "session-1", mentor_id="mentor-2")
    bill_session(admin, "session-2", occurred_at="2026-03-01T12:00:01Z")
    complete_package(admin, ["p1", "p2"], 2)
    post_package(admin, "p1")
    found = reconciled(admin)
    assert found.mismatched == 3
    assert {(each["subject"], each["reason"]) for each in found.details} == {
        ("session-1", "mentor_id"),
        ("session-2", "occurred_at"),
        ("package-1", "session_ids"),
    }


def test_a_price_that_was_never_in_the_list_is_mismatched(admin: psycopg.Connection) -> None:
    bill_session(admin, "session-1")
    found = reconciled(admin)
    assert (found.mismatched, found.details[0]["reason"]) == (1, "price_effective_from")


def test_an_event_never_delivered_is_undelivered_and_its_bill_not_missing_too(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin)
    bill_session(admin, "session-1")
    event = complete(admin, "session-2")
    assert reconciled(admin).waiting_for == {"in_flight": 1}
    found = reconciled(admin, undelivered=[event.id])
    assert (found.expected, found.undelivered, found.missing) == (2, 1, 0)
    assert (found.loss_percent, found.verdict) == (50, "roll_back")
    assert found.details[0]["event_id"] == str(event.id)


def test_a_session_paid_twice_is_a_duplicate(admin: psycopg.Connection) -> None:
    insert_price(admin)
    insert_price(admin, price_code="course", amount_minor=200_000)
    bill_session(admin, "session-1")
    spoil(
        admin,
        "mentor_payable_ledgers",
        "INSERT INTO mentor_payable_ledgers SELECT (jsonb_populate_record(entry, "
        "jsonb_build_object('id', gen_random_uuid()))).* FROM mentor_payable_ledgers AS entry",
    )
    found = reconciled(admin)
    assert (found.billed, found.duplicate, found.mismatched) == (1, 1, 0)
    assert found.details[0]["subject"] == "session-1"
    assert found.verdict == "roll_back"


def test_a_session_paid_by_itself_and_in_its_package_is_a_duplicate(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin, price_code="course", amount_minor=200_000)
    complete_package(admin, ["p1", "p2"], 2)
    package = post_package(admin, "p1", "p2")
    single = post(admin, "p3")
    spoil(
        admin,
        "ledger_entry_sessions",
        "INSERT INTO ledger_entry_sessions VALUES (%s, 'p1', 1)",
        single,
    )
    found = reconciled(admin)
    assert found.duplicate == 1
    duplicate = next(each for each in found.details if each["fault"] == "duplicate")
    assert duplicate["subject"] == "p1"
    assert set(duplicate["ledger_ids"]) == {str(package), str(single)}


def test_an_open_conflict_does_not_spoil_a_clean_verdict(admin: psycopg.Connection) -> None:
    insert_price(admin)
    bill_session(admin, "session-1")
    contrary = complete(admin, "session-1", mentorId="mentor-2")
    receive(admin, contrary)
    insert_exception(admin, reason="session_conflict", kind="session", source_event_id=contrary.id)
    found = reconciled(admin)
    assert (found.expected, found.billed, found.verdict) == (1, 1, "clean")


def test_an_entry_that_contradictory_events_explain_is_a_conflict_that_a_person_was_asked_about(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin)
    first = complete(admin, "session-1")
    receive(admin, first)
    receive(admin, complete(admin, "session-1", mentorId="mentor-2"))
    # The later one came first, was posted, and stays.
    post(admin, "session-1", mentor_id="mentor-2")
    assert reconciled(admin).mismatched == 1
    exception = insert_exception(
        admin, reason="ledger_conflict", kind="session", source_event_id=first.id
    )
    found = reconciled(admin)
    assert (found.conflicts, found.mismatched, found.verdict) == (1, 0, "clean")
    assert found.details[0]["exception_id"] == str(exception)
    admin.execute("UPDATE billing_exceptions SET status = 'dismissed', resolution = 'agreed'")
    found = reconciled(admin)
    assert (found.conflicts, found.decided, found.verdict) == (0, 1, "clean")


def test_a_ledger_conflict_that_no_contradictory_events_explain_is_a_wrong_bill(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin)
    event, _ = bill_session(admin, "session-1", mentor_id="mentor-2")
    insert_exception(admin, reason="ledger_conflict", kind="session", source_event_id=event.id)
    found = reconciled(admin)
    assert (found.conflicts, found.mismatched, found.verdict) == (0, 1, "roll_back")


def test_a_bill_that_a_failed_exception_holds_is_failed_and_not_lost(
    admin: psycopg.Connection,
) -> None:
    event = complete(admin, "session-1")
    receive(admin, event)
    insert_exception(admin, kind="session", source_event_id=event.id)
    found = reconciled(admin)
    assert (found.expected, found.failed, found.missing) == (1, 1, 0)
    assert (found.loss_percent, found.verdict) == (0, "discrepancy")
    admin.execute(
        "UPDATE billing_exceptions SET status = 'retrying', next_attempt_at = clock_timestamp()"
    )
    found = reconciled(admin)
    assert (found.waiting_for, found.verdict) == ({"retrying": 1}, "clean")
    admin.execute("UPDATE billing_exceptions SET status = 'dismissed', resolution = 'a gift'")
    found = reconciled(admin)
    assert (found.expected, found.decided, found.verdict) == (0, 1, "clean")


def test_an_event_that_could_not_be_read_explains_its_missing_bill(
    admin: psycopg.Connection,
) -> None:
    event = complete(admin, "session-1")
    receive(admin, event)
    insert_exception(
        admin, reason="undecodable", subject="events.session[0]@0", source_event_id=event.id
    )
    assert (reconciled(admin).failed, reconciled(admin).missing) == (1, 0)


def test_a_bill_dismissed_for_one_event_is_expected_again_with_another(
    admin: psycopg.Connection,
) -> None:
    receive(admin, complete(admin, "session-1"))
    insert_exception(
        admin, kind="session", source_event_id=uuid.uuid4(), status="dismissed", resolution="no"
    )
    assert reconciled(admin).missing == 1


def test_a_reversed_entry_is_a_persons_decision_and_a_correction_its_replacement(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin)
    _, entry = bill_session(admin, "session-1")
    decision = Decision(actor="Dana", reason="agreed by mail")
    reverse(admin, entry, decision)
    found = reconciled(admin)
    assert (found.expected, found.decided, found.missing, found.verdict) == (0, 1, 0, "clean")
    correct(admin, entry, decision, ByHand(amount_minor=5_000))
    found = reconciled(admin)
    assert (found.expected, found.billed, found.verdict) == (1, 1, "clean")


def test_an_entry_that_no_event_calls_for_is_mismatched(admin: psycopg.Connection) -> None:
    insert_price(admin)
    event, entry = bill_session(admin, "session-1")
    post(admin, "session-9")
    receive(admin, void(admin, "session-1", event))
    found = reconciled(admin)
    assert (found.expected, found.billed, found.mismatched) == (0, 2, 2)
    assert {each["reason"] for each in found.details} == {"not_owed"}
    assert str(entry) in {each["ledger_id"] for each in found.details}


def test_a_bill_whose_price_was_backdated_is_repriced_and_no_fault(
    admin: psycopg.Connection,
) -> None:
    insert_price(admin)
    bill_session(admin, "session-1")
    insert_price(admin, amount_minor=12_000, effective_from="2026-02-01T00:00:00Z")
    insert_price(admin, amount_minor=15_000, effective_from="2026-04-01T00:00:00Z")
    found = reconciled(admin)
    assert (found.repriced, found.mismatched, found.verdict) == (1, 0, "clean")
    assert found.details[0]["now_in_force"].startswith("2026-02-01")
