from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.integration.database_rows import pay, reverse
from tests.integration.ledger_writing import (
    NOON,
    Writer,
    add_price,
    event,
    ledger_writer_on,
    package_payable,
    session_payable,
)
from tests.postgres_server import PostgresServer


@pytest.fixture
def url(postgres_server: PostgresServer, database: str, owner: psycopg.Connection) -> str:
    add_price(owner)
    add_price(owner, "course", 200_000)
    return postgres_server.url("outbox_ledger_writer", database)


@pytest.fixture
def writer(url: str, tmp_path: Path) -> Iterator[Writer]:
    with ledger_writer_on(url, tmp_path) as writer:
        yield writer


def test_a_session_is_posted_as_it_is_owed_and_pays_itself(writer: Writer) -> None:
    writer.post(session_payable())

    [entry] = writer.entries()
    posted_at = entry.pop("posted_at")
    assert {key: str(value) for key, value in entry.items()} == {
        "id": "e853806a-84ff-50e1-a61b-5c765a09e1d5",
        "kind": "session",
        "mentor_id": "mentor-1",
        "contract_id": "contract-1",
        "student_id": "student-1",
        "session_id": "session-1",
        "service_package_id": "None",
        "amount_minor": "10000",
        "currency": "USD",
        "price_effective_from": str(NOON - timedelta(days=365)),
        "occurred_at": str(NOON),
        "source_event_id": event(1),
        "reverses": "None",
    }
    assert posted_at > NOON
    assert writer.paid_sessions() == ["session-1"]
    assert writer.exceptions() == []


def test_a_package_is_posted_once_and_pays_all_its_sessions(writer: Writer) -> None:
    writer.post(package_payable("package-1", "session-1", "session-2"))

    [entry] = writer.entries()
    assert (entry["kind"], entry["service_package_id"], entry["session_id"]) == (
        "package",
        "package-1",
        None,
    )
    assert entry["amount_minor"] == 200_000
    assert writer.paid_sessions() == ["session-1", "session-2"]


@pytest.mark.parametrize(
    ("occurred_minutes", "amount_minor"), [(-1, 10_000), (0, 11_000), (59, 11_000), (60, 12_000)]
)
def test_a_bill_is_priced_with_the_price_in_force_when_it_occurred(
    writer: Writer, owner: psycopg.Connection, occurred_minutes: int, amount_minor: int
) -> None:
    add_price(owner, amount_minor=11_000, effective_from=NOON)
    add_price(owner, amount_minor=12_000, effective_from=NOON + timedelta(hours=1))
    add_price(owner, amount_minor=99_000, mentor_id="mentor-2")

    writer.post(session_payable(occurred_at=NOON + timedelta(minutes=occurred_minutes)))

    [entry] = writer.entries()
    assert entry["amount_minor"] == amount_minor


def test_what_arrives_again_is_a_no_op_at_whatever_price(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    add_price(owner, amount_minor=5, effective_from=NOON)
    before = writer.entries()

    writer.post(session_payable(), session_payable())

    assert writer.entries() == before
    assert writer.exceptions() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"mentor_id": "mentor-2"},
        {"contract_id": "contract-2"},
        {"student_id": "student-2"},
        {"occurred_at": NOON + timedelta(microseconds=1)},
        {"session_ids": ("session-1", "session-9")},
    ],
)
def test_what_arrives_with_other_facts_is_one_conflict_however_often(
    writer: Writer, changes: dict[str, Any]
) -> None:
    writer.post(session_payable())
    before = writer.entries()

    for _ in range(3):
        writer.post(session_payable(**changes))

    assert writer.entries() == before
    exception = writer.exception()
    assert (exception["reason"], exception["status"]) == ("ledger_conflict", "failed")
    assert (exception["kind"], exception["subject"]) == ("session", "session-1")
    assert next(iter(changes)) in exception["last_error"]
    assert exception["record"]["payable"]["ledger_id"] == str(before[0]["id"])
    assert exception["attempts"] == 1


def test_another_event_that_made_it_billable_is_no_conflict(writer: Writer) -> None:
    writer.post(session_payable())
    writer.post(session_payable(source_event_id=event(2)))

    assert [str(entry["source_event_id"]) for entry in writer.entries()] == [event(1)]
    assert writer.exceptions() == []


def test_the_order_of_a_package_s_sessions_is_no_conflict(writer: Writer) -> None:
    writer.post(package_payable("package-1", "b", "A", "a"))
    writer.post(package_payable("package-1", "A", "a", "b"))

    assert writer.exceptions() == []


def test_what_comes_twice_in_one_batch_is_posted_once(writer: Writer) -> None:
    writer.post(session_payable(), session_payable("session-2"), session_payable())

    assert len(writer.entries()) == 2
    assert writer.exceptions() == []


def test_of_two_that_differ_in_one_batch_the_first_is_posted_the_other_a_conflict(
    writer: Writer,
) -> None:
    writer.post(session_payable(), session_payable(contract_id="contract-2"))

    [entry] = writer.entries()
    assert entry["contract_id"] == "contract-1"
    assert writer.exception()["reason"] == "ledger_conflict"


def test_a_session_that_another_entry_pays_is_a_conflict_and_the_rest_is_posted(
    writer: Writer,
) -> None:
    writer.post(session_payable("session-1"))

    writer.post(
        session_payable("session-3"),
        package_payable("package-1", "session-1", "session-2"),
        session_payable("session-4"),
    )

    assert writer.paid_sessions() == ["session-1", "session-3", "session-4"]
    exception = writer.exception()
    assert (exception["reason"], exception["kind"]) == ("ledger_conflict", "package")
    assert "session session-1 is already paid by ledger entry" in exception["last_error"]


def test_two_in_one_batch_that_pay_one_session_are_one_entry_and_one_conflict(
    writer: Writer,
) -> None:
    writer.post(
        session_payable("session-1"), package_payable("package-1", "session-1", "session-2")
    )

    assert len(writer.entries()) == 1
    assert [each["reason"] for each in writer.exceptions()] == ["ledger_conflict"]


def test_a_reversed_entry_is_not_revived_by_a_replay(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    [entry] = writer.entries()
    copied = ("occurred_at", "source_event_id", "price_effective_from")
    reverse(owner, entry["id"], **{name: entry[name] for name in copied})

    writer.post(session_payable())

    assert [entry["kind"] for entry in writer.entries()] == ["session", "reversal"]
    assert writer.paid_sessions() == ["session-1"]
    assert writer.exceptions() == []


def test_a_session_whose_entry_was_reversed_can_be_paid_by_another(
    writer: Writer, owner: psycopg.Connection
) -> None:
    writer.post(session_payable())
    [entry] = writer.entries()
    copied = ("occurred_at", "source_event_id", "price_effective_from")
    reverse(owner, entry["id"], **{name: entry[name] for name in copied})

    writer.post(package_payable("package-1", "session-1", "session-2"))

    assert [entry["kind"] for entry in writer.entries()] == ["session", "reversal", "package"]
    assert writer.exceptions() == []
    with pytest.raises(psycopg.errors.UniqueViolation):
        pay(owner, entry["id"], "session-1")


def test_two_writers_that_post_the_same_at_once_post_it_once(url: str, tmp_path: Path) -> None:
    payables = [session_payable(f"session-{number}") for number in range(200)]
    with (
        ledger_writer_on(url, tmp_path / "one") as one,
        ledger_writer_on(url, tmp_path / "other") as other,
        ThreadPoolExecutor(2) as pool,
    ):
        for start in range(0, 200, 20):
            batch = payables[start : start + 20]
            posting = [pool.submit(one.post, *batch), pool.submit(other.post, *reversed(batch))]
            for each in posting:
                each.result(timeout=30)

        assert len(one.entries()) == 200
        assert len(one.paid_sessions()) == 200
        assert one.exceptions() == []
