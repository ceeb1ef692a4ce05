"""What processors on trial say is owed, beside the ledger: every way in which it may differ."""

import uuid
from dataclasses import replace
from datetime import datetime
from typing import Any

import psycopg
import pytest

from operations.actions import record_action
from operations.rebuild.comparing import compare, make_room, note_payables, note_reports
from schemas.records import ExceptionReport, Payable, PayableWithdrawn
from stream_processors.ledger.exceptions import exception_id
from tests.integration.database_rows import NOON, insert_entry, insert_exception, pay, reverse
from tests.integration.reconciled import insert_price

SESSION = Payable(
    ledger_id="00000000-0000-5000-8000-000000000001",
    kind="session",
    mentor_id="mentor-1",
    contract_id="contract-1",
    student_id="student-1",
    session_id="session-1",
    service_package_id=None,
    price_code="standard",
    occurred_at=datetime.fromisoformat(NOON),
    source_event_id="00000000-0000-7000-8000-000000000001",
    session_ids=("session-1",),
)
SINCE_2026 = "2026-01-01T00:00:00Z"
CONFLICT = ExceptionReport(
    reason="session_conflict",
    subject="session-1",
    source_event_id="00000000-0000-7000-8000-000000000002",
    standing=True,
    basis=2,
    error="",
    record=b"{}",
)


@pytest.fixture
def books(scratch: psycopg.Connection) -> psycopg.Connection:
    insert_price(scratch)
    make_room(scratch)
    return scratch


def post(books: psycopg.Connection, payable: Payable = SESSION, **changes: Any) -> uuid.UUID:
    """Post what is owed, with changed columns."""
    paid = changes.pop("session_ids", payable.session_ids)
    entry = insert_entry(
        books,
        **{
            "id": uuid.UUID(payable.ledger_id),
            "kind": payable.kind,
            "session_id": payable.session_id,
            "service_package_id": payable.service_package_id,
            "price_effective_from": SINCE_2026,
            **changes,
        },
    )
    for session in paid:
        pay(books, entry, session)
    return entry


def outcome(books: psycopg.Connection) -> str:
    """How the one bill, or exception, comes out; what it differs in besides."""
    counts, differences = compare(books)
    [(named, count)] = counts.items()
    assert count == 1
    if named in {"equal", "repriced", "decided", "blocked", "conflict", "exception_equal"}:
        assert not differences
        return named
    [difference] = differences.values()
    assert difference["outcome"] == named
    return " ".join([named, *difference.get("different", ())])


def test_what_is_owed_and_posted_is_equal(books: psycopg.Connection) -> None:
    note_payables(books, [SESSION])
    post(books)
    assert outcome(books) == "equal"


def test_what_was_said_last_counts(books: psycopg.Connection) -> None:
    note_payables(books, [replace(SESSION, mentor_id="another")])
    note_payables(books, [SESSION])
    post(books)
    assert outcome(books) == "equal"


def test_what_is_not_posted_is_missing(books: psycopg.Connection) -> None:
    note_payables(books, [SESSION])
    assert outcome(books) == "missing"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "retrying", "next_attempt_at": NOON},
        {"status": "failed"},
        {"status": "dismissed", "resolution": "not to be paid"},
    ],
)
def test_what_is_not_posted_for_a_reason_that_is_known_is_blocked(
    books: psycopg.Connection, changes: dict[str, str]
) -> None:
    note_payables(books, [SESSION])
    insert_exception(books, kind="session", **changes)
    assert outcome(books) == "blocked"


def test_a_reason_that_was_resolved_explains_nothing(books: psycopg.Connection) -> None:
    note_payables(books, [SESSION])
    insert_exception(books, kind="session", status="resolved", resolution="posted")
    assert outcome(books) == "missing"


def test_what_nobody_owes_is_told(books: psycopg.Connection) -> None:
    post(books)
    assert outcome(books) == "not_owed"


@pytest.mark.parametrize(
    ("changes", "different"),
    [
        ({"mentor_id": "mentor-2"}, "mentor_id"),
        ({"contract_id": "contract-2"}, "contract_id"),
        ({"student_id": "student-2"}, "student_id"),
        ({"occurred_at": "2026-03-01T12:00:01Z"}, "occurred_at"),
        ({"session_id": "session-2"}, "subject"),
        ({"session_ids": ("session-2",)}, "session_ids"),
        ({"session_ids": ()}, "session_ids"),
        ({"amount_minor": 9_999}, "amount_minor"),
        ({"currency": "EUR"}, "currency"),
        ({"price_effective_from": "2026-01-02T00:00:00Z"}, "price_effective_from"),
    ],
)
def test_each_field_that_differs_is_named(
    books: psycopg.Connection, changes: dict[str, Any], different: str
) -> None:
    insert_price(books, mentor_id="mentor-2")
    note_payables(books, [SESSION])
    post(books, **changes)
    assert outcome(books) == f"different {different}"


def test_a_price_that_was_not_in_force_yet_is_told(books: psycopg.Connection) -> None:
    later = "2026-04-01T00:00:00Z"
    insert_price(books, effective_from=later)
    note_payables(books, [SESSION])
    post(books, price_effective_from=later)
    assert outcome(books) == "different price_effective_from"


def test_a_price_that_was_backdated_after_the_posting_is_no_difference(
    books: psycopg.Connection,
) -> None:
    insert_price(books, effective_from="2026-02-01T00:00:00Z", amount_minor=12_000)
    note_payables(books, [SESSION])
    post(books)
    assert outcome(books) == "repriced"


def test_the_event_that_made_it_billable_may_be_another_of_the_same_contents(
    books: psycopg.Connection,
) -> None:
    note_payables(books, [SESSION])
    post(books, source_event_id=uuid.uuid4())
    assert outcome(books) == "equal"


def test_a_package_is_compared_with_its_members(books: psycopg.Connection) -> None:
    package = replace(
        SESSION,
        kind="package",
        session_id=None,
        service_package_id="package-1",
        session_ids=("session-1", "session-2"),
    )
    note_payables(books, [package])
    post(books, package)
    assert outcome(books) == "equal"
    note_payables(books, [replace(package, session_ids=("session-1", "session-3"))])
    assert outcome(books) == "different session_ids"


def test_an_entry_beside_the_one_that_is_owed_is_told(books: psycopg.Connection) -> None:
    note_payables(books, [SESSION])
    post(books)
    insert_entry(books, price_effective_from=SINCE_2026)
    counts, differences = compare(books)
    assert counts == {"twice": 2}
    assert set(differences) == {("twice", "session", "session-1")}


def test_what_a_person_reversed_or_corrected_is_decided(books: psycopg.Connection) -> None:
    insert_price(books, mentor_id="mentor-2")
    note_payables(books, [SESSION])
    changes = {"mentor_id": "mentor-2", "price_effective_from": SINCE_2026}
    entry = post(books, **changes)
    assert outcome(books) == "different mentor_id"
    reverse(books, entry, **changes)
    assert outcome(books) == "decided"
    insert_entry(books, kind="correction", price_effective_from=SINCE_2026)
    assert outcome(books) == "decided"


def test_a_session_that_a_person_had_billed_singly_is_decided(books: psycopg.Connection) -> None:
    post(books)
    record_action(
        books, action="exceptions.bill_singly", subject="session-1", reason="an extra lesson"
    )
    assert outcome(books) == "decided"


def test_what_was_posted_before_an_event_that_contradicts_it_is_a_conflict_that_is_known(
    books: psycopg.Connection,
) -> None:
    note_payables(books, [replace(SESSION, mentor_id="mentor-2")])
    post(books)
    assert outcome(books) == "different mentor_id"
    insert_exception(books, reason="ledger_conflict", kind="session")
    assert outcome(books) == "conflict"


def test_what_is_owed_no_more_is_neither_missing_nor_right_where_it_stands(
    books: psycopg.Connection,
) -> None:
    taken_back = PayableWithdrawn(SESSION.ledger_id, "session", "session-1", "an event")
    note_payables(books, [SESSION, taken_back])
    assert compare(books) == ({}, {})
    post(books)
    assert outcome(books) == "not_owed"
    insert_exception(books, reason="ledger_conflict", kind="session", status="resolved")
    assert outcome(books) == "not_owed"
    insert_exception(books, reason="ledger_conflict", kind="session")
    assert outcome(books) == "conflict"


def stored(books: psycopg.Connection, report: ExceptionReport, **changes: Any) -> None:
    identity = exception_id(report.reason, report.subject, report.source_event_id)
    insert_exception(books, id=identity, reason=report.reason, subject=report.subject, **changes)


@pytest.mark.parametrize(
    ("status", "resolution", "expected"),
    [
        ("failed", None, "exception_equal"),
        ("dismissed", "as it should be", "exception_equal"),
        ("resolved", "voided", "exception_equal"),
        ("resolved", "withdrawn: agrees", "exception_missing"),
    ],
)
def test_an_exception_that_stands_is_there_or_was_settled_by_a_person(
    books: psycopg.Connection, status: str, resolution: str | None, expected: str
) -> None:
    note_reports(books, [CONFLICT])
    stored(books, CONFLICT, status=status, resolution=resolution)
    assert outcome(books) == expected


def test_an_exception_that_nobody_recorded_is_missing(books: psycopg.Connection) -> None:
    note_reports(books, [CONFLICT])
    assert outcome(books) == "exception_missing"


def test_an_exception_that_nobody_reports_is_not_due(books: psycopg.Connection) -> None:
    stored(books, CONFLICT)
    assert outcome(books) == "exception_not_due"


def test_the_report_that_rests_on_most_facts_counts(books: psycopg.Connection) -> None:
    note_reports(books, [replace(CONFLICT, standing=False, basis=3), CONFLICT])
    assert compare(books) == ({}, {})
    stored(books, CONFLICT)
    assert outcome(books) == "exception_not_due"


def test_a_record_that_is_no_event_is_compared_where_both_read_it(
    books: psycopg.Connection,
) -> None:
    elsewhere = replace(CONFLICT, reason="undecodable", subject="x.billing.package-sessions[0]@7")
    note_reports(books, [elsewhere])
    assert compare(books) == ({}, {})
    here = replace(CONFLICT, reason="undecodable", subject="events.session[0]@7")
    note_reports(books, [here])
    assert outcome(books) == "exception_missing"
    stored(books, here)
    assert outcome(books) == "exception_equal"


def test_a_record_that_is_gone_from_its_topic_cannot_be_reported_again(
    books: psycopg.Connection,
) -> None:
    stored(books, replace(CONFLICT, reason="undecodable", subject="events.session[0]@7"))
    assert compare(books) == ({}, {})
