"""Listing, retrying and dismissing exceptions on a real database."""

import threading
import uuid

import psycopg
import pytest
from psycopg.types.json import Jsonb

from operations.exceptions.dismissing import dismiss_exceptions
from operations.exceptions.listing import Choice, chosen_exceptions
from operations.exceptions.retrying import retry_and_wait
from operations.failures import ProblemError
from tests.integration.database_rows import insert_exception
from tests.postgres_server import PostgresServer

PAYABLE = Jsonb({"payable": {}})


def test_exceptions_are_listed_oldest_first_and_overdue_after_a_day(
    owner: psycopg.Connection,
) -> None:
    young = insert_exception(owner)
    old = insert_exception(owner, first_failed_at="2026-01-01T00:00:00Z")
    settled = insert_exception(
        owner,
        first_failed_at="2026-01-02T00:00:00Z",
        status="dismissed",
        resolution="a gift",
    )
    rows = chosen_exceptions(owner, Choice())
    assert [(row["id"], row["overdue"]) for row in rows] == [
        (old, True),
        (settled, False),
        (young, False),
    ]
    overdue = chosen_exceptions(owner, Choice(overdue=True))
    assert [row["id"] for row in overdue] == [old]


def test_exceptions_are_chosen_by_status_reason_subject_and_event(
    owner: psycopg.Connection,
) -> None:
    event = uuid.uuid4()
    wanted = insert_exception(owner, reason="timeout", subject="s", source_event_id=event)
    insert_exception(owner)
    insert_exception(owner, status="resolved")
    for choice in (
        Choice(reasons=["timeout"]),
        Choice(subject="s"),
        Choice(events=[event]),
        Choice(statuses=["failed"], reasons=["timeout", "undecodable"]),
    ):
        assert [row["id"] for row in chosen_exceptions(owner, choice)] == [wanted]


def test_an_unknown_id_is_an_error_that_names_it(owner: psycopg.Connection) -> None:
    unknown = uuid.uuid4()
    with pytest.raises(ProblemError, match=str(unknown)):
        chosen_exceptions(owner, Choice(ids=[insert_exception(owner), unknown]))


def test_a_dismissal_keeps_its_reason_and_settles_the_exception(owner: psycopg.Connection) -> None:
    exception = insert_exception(owner)
    dismiss_exceptions(owner, [exception], "paid by hand")
    (row,) = chosen_exceptions(owner, Choice(ids=[exception]))
    assert (row["status"], row["resolution"]) == ("dismissed", "paid by hand")
    assert row["resolved_at"] is not None


def test_of_several_dismissals_one_that_is_resolved_stops_all(owner: psycopg.Connection) -> None:
    open_one, resolved = insert_exception(owner), insert_exception(owner, status="resolved")
    with pytest.raises(ProblemError, match=str(resolved)):
        dismiss_exceptions(owner, [open_one, resolved], "paid by hand")
    (row,) = chosen_exceptions(owner, Choice(ids=[open_one]))
    assert row["status"] == "failed"


def test_a_retry_that_nobody_carries_out_says_so(owner: psycopg.Connection) -> None:
    exception = insert_exception(owner, record=PAYABLE)
    (attempt,) = retry_and_wait(owner, [exception], wait_seconds=0.3)
    assert not attempt.succeeded
    assert "not tried yet" in attempt.became


@pytest.mark.parametrize(
    ("settlement", "succeeded", "became"),
    [
        ("status = 'resolved', resolution = 'posted'", True, "resolved: posted"),
        ("status = 'failed', attempts = attempts + 1", False, "failed again"),
        (
            "attempts = attempts + 1, next_attempt_at = '2026-03-01T12:00:00Z'",
            False,
            "failed again, tried next at 2026-03-01",
        ),
        (
            "status = 'resolved', resolution = 'became ledger_conflict'",
            False,
            "became ledger_conflict",
        ),
    ],
)
def test_a_retry_waits_and_says_what_the_ledger_writer_made_of_it(
    owner: psycopg.Connection,
    postgres_server: PostgresServer,
    database: str,
    settlement: str,
    succeeded: bool,
    became: str,
) -> None:
    exception = insert_exception(owner, record=PAYABLE)
    owner.execute("SET TIME ZONE 'UTC'")

    def settle() -> None:
        url = postgres_server.url("outbox_ledger_writer", database)
        with psycopg.connect(url, autocommit=True) as writer:
            while not writer.execute(
                f"UPDATE billing_exceptions SET {settlement} WHERE status = 'retrying' "
                "AND next_attempt_at <= clock_timestamp() RETURNING id"
            ).fetchall():
                pass

    writer = threading.Thread(target=settle)
    writer.start()
    (attempt,) = retry_and_wait(owner, [exception])
    writer.join()
    assert attempt.succeeded is succeeded
    assert attempt.became.startswith(became)


def test_retrying_nothing_does_nothing(owner: psycopg.Connection) -> None:
    insert_exception(owner, record=PAYABLE)
    assert retry_and_wait(owner, []) == []
    assert [row["status"] for row in chosen_exceptions(owner, Choice())] == ["failed"]
