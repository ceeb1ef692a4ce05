"""Bad input gets its clear error, loses nothing, and nothing waits behind it."""

import json

import psycopg
import pytest
from psycopg.types.json import Jsonb

from tests.end_to_end.books import LATER, SINGLE_MINOR, Books
from tests.waiting import wait_until


def test_a_payload_that_breaks_its_schema_is_refused_in_the_transaction_and_the_field_named(
    books: Books,
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="mentorId"):
        books.insert(books.completed("s1", mentorId=""))
    with pytest.raises(psycopg.errors.CheckViolation, match="completedAt"):
        books.insert(books.completed("s1", completedAt="2026-02-30T12:00:00Z"))


def test_an_aggregate_id_that_is_not_the_payloads_own_is_refused(books: Books) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="sessionId"):
        books.application.execute(
            "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload) "
            "VALUES ('session', 'another', 'services.session.completed', %s)",
            [Jsonb(books.completed("s1"))],
        )


def test_an_unknown_event_type_is_refused_with_the_known_ones_named(books: Books) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        books.insert(books.completed("s1"), "cancelled")
    assert "services.session.cancelled" in str(refused.value)
    assert "services.session.completed" in str(refused.value)


@pytest.mark.parametrize(
    ("poison", "reason"),
    [
        pytest.param(b"not JSON", "undecodable", id="not JSON"),
        pytest.param(b"\xff\xfe", "undecodable", id="not text"),
        pytest.param(None, "undecodable", id="a null value"),
        pytest.param("nul", "undecodable", id="a NUL in a string"),
        pytest.param("time", "undecodable", id="a time that Python cannot hold"),
        pytest.param("type", "undecodable", id="a total that is no number"),
    ],
)
def test_a_poison_record_becomes_one_exception_with_its_bytes_and_holds_nothing_up(
    books: Books, poison: bytes | str | None, reason: str
) -> None:
    payloads = {
        "nul": books.completed("s1", contractId="a\0b"),
        "time": books.completed("s1", completedAt="12026-01-01T00:00:00Z"),
        "type": books.course("s1", total=True),
    }
    value = json.dumps(payloads[poison]).encode() if isinstance(poison, str) else poison

    position = books.pretend(value, books.id("s1"))
    # The same key: the same partition, right behind the poison.
    books.insert(books.completed("s1"))

    assert [bill["amount_minor"] for bill in books.wait_for_bills(1)] == [SINGLE_MINOR]
    exception = books.wait_for_exception(position, reason, "failed")
    assert exception["record"]["offset"] == int(position.rpartition("@")[2])
    assert {"value", "value_base64"} & exception["record"].keys()
    assert len(books.exceptions(position)) == 1


def test_a_record_without_headers_becomes_an_exception_and_holds_nothing_up(books: Books) -> None:
    position = books.produce(json.dumps(books.completed("s1")).encode(), books.id("s1"))
    books.insert(books.completed("s1"))
    books.wait_for_bills(1)
    exception = books.wait_for_exception(position, "undecodable", "failed")
    assert "header id" in exception["last_error"]


def test_a_record_of_an_unknown_type_becomes_an_exception_and_holds_nothing_up(
    books: Books,
) -> None:
    headers = {
        "id": "0190d3c0-0000-7000-8000-000000000001",
        "eventType": "services.session.cancelled",
        "createdAt": "2026-03-01T12:00:00.000000Z",
    }
    position = books.produce(b"{}", books.id("s1"), headers)
    books.insert(books.completed("s1"))
    books.wait_for_bills(1)
    books.wait_for_exception(position, "unknown_event_type", "failed")


def test_a_record_that_is_no_avro_in_the_payables_becomes_an_exception(books: Books) -> None:
    position = books.produce(b"no avro", books.id("x"), topic="billing.payables")
    books.insert(books.completed("s1"))
    books.wait_for_bills(1)
    books.wait_for_exception(position, "undecodable", "failed")


def test_an_unknown_mentor_is_an_exception_that_names_what_to_insert(books: Books) -> None:
    books.insert(books.completed("s1", mentorId=books.id("stranger")))
    books.insert(books.completed("s2"))
    books.wait_for_bills(1)
    exception = books.wait_for_exception(books.id("s1"), "price_missing", "retrying")
    assert books.id("stranger") in exception["last_error"]
    assert "mentor_prices" in exception["last_error"]


def test_a_session_that_names_another_total_does_not_count_and_is_a_package_conflict(
    books: Books,
) -> None:
    books.insert(books.course("s1", 2))
    odd = books.insert(books.course("s2", 3))
    books.insert(books.course("s3", 2))

    (bill,) = books.wait_for_bills(1)
    assert bill["session_ids"] == [books.id("s1"), books.id("s3")]
    wait_until(
        "the odd one alone is in conflict",
        lambda: books.exceptions(books.id("package")),
        is_so=lambda rows: (
            [
                (str(row["source_event_id"]), row["reason"])
                for row in rows
                if row["status"] == "failed"
            ]
            == [(odd, "package_conflict")]
        ),
    )


def test_an_eleventh_session_of_ten_is_an_exception_and_the_package_is_billed_once(
    books: Books,
) -> None:
    for number in range(1, 11):
        books.insert(books.course(f"s{number:02}", 10))
    books.wait_for_bills(1)
    eleventh = books.insert(books.course("s11", 10))

    exception = books.wait_for_exception(books.id("package"), "package_exceeded", "failed")
    assert str(exception["source_event_id"]) == eleventh
    (bill,) = books.bills()
    assert bill["kind"] == "package"
    assert bill["session_ids"] == [books.id(f"s{number:02}") for number in range(1, 11)]


def test_a_second_completion_that_says_otherwise_is_a_conflict_until_it_is_voided(
    books: Books,
) -> None:
    books.insert(books.completed("s1"))
    second = books.insert(books.completed("s1", completedAt=LATER))
    exception = books.wait_for_exception(books.id("s1"), "session_conflict", "failed")
    assert str(exception["source_event_id"]) == second

    books.insert(
        {"sessionId": books.id("s1"), "eventId": second, "reason": "entered twice"}, "voided"
    )
    resolved = books.wait_for_exception(books.id("s1"), "session_conflict", "resolved")
    assert resolved["resolution"].startswith("withdrawn")
    assert len(books.bills()) == 1
