"""What the ledger writer logs of a record, on a real database: its ids, and no value of it."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from schemas.records import PayableWithdrawn
from stream_processors.engine.messages import InboundRecord
from tests.integration.ledger_writing import (
    Writer,
    add_price,
    conflict,
    event,
    inbound,
    package_payable,
    session_payable,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED: Mapping[str, bytes | None] = {
    "eventId": event(1).encode(),
    "createdAt": b"2026-03-01T12:00:00Z",
    "traceparent": f"00-{TRACE}-b7ad6b7169203331-01".encode(),
}


@pytest.fixture(autouse=True)
def _prices(owner: psycopg.Connection) -> None:
    add_price(owner)


def _said(lines: list[Any]) -> list[tuple[str, str, str | None]]:
    """The lines of records: level, event and what they are about."""
    return [
        (line["log_level"], line["event"], line.get("aggregate_id"))
        for line in lines
        if "position" in line
    ]


def test_an_entry_is_logged_by_the_ids_of_its_event_and_of_its_own(writer: Writer) -> None:
    payable = session_payable()
    record = inbound(payable, headers=SAMPLED)
    with capture_logs() as lines:
        writer.post(record)

    [line] = [dict(line) for line in lines if line["event"] == "entry_posted"]
    assert line == {
        "log_level": "info",
        "event": "entry_posted",
        "event_id": event(1),
        "aggregate_type": "session",
        "aggregate_id": "session-1",
        "trace_id": TRACE,
        "traceparent": f"00-{TRACE}-b7ad6b7169203331-01",
        "position": record.position,
        "ledger_id": payable.ledger_id,
        "source_event_id": event(1),
    }


def test_what_is_said_twice_is_posted_once_and_known_after_that(writer: Writer) -> None:
    with capture_logs() as lines:
        writer.post(*(inbound(session_payable(), headers=SAMPLED) for _ in range(2)))
        writer.post(inbound(session_payable(), headers=SAMPLED))

    assert _said(lines) == [
        ("info", "entry_posted", "session-1"),
        ("info", "payable_known", "session-1"),
        ("info", "payable_known", "session-1"),
    ]


def test_what_is_taken_back_is_logged(writer: Writer) -> None:
    payable = session_payable("never-posted")
    withdrawn = PayableWithdrawn(
        payable.ledger_id, "session", "never-posted", source_event_id=event(2)
    )
    with capture_logs() as lines:
        writer.post(inbound(withdrawn, headers=SAMPLED))

    assert _said(lines) == [("info", "payable_withdrawn", "never-posted")]


def test_each_exception_is_logged_without_its_text_whether_sampled_or_not(writer: Writer) -> None:
    writer.post(session_payable())
    no_uuid = session_payable("odd", source_event_id="no uuid")
    with capture_logs() as lines:
        writer.post(
            session_payable(student_id="another"),
            package_payable("package-1", "session-8"),
            no_uuid,
            b"no payable",
        )
        writer.report(conflict())

    exceptions = {str(row["id"]): row for row in writer.exceptions()}
    recorded = [line for line in lines if line["event"] == "exception_recorded"]
    assert {line["log_level"] for line in recorded} == {"warning"}
    assert {line["exception_id"] for line in recorded} == set(exceptions)
    assert sorted(line["reason"] for line in recorded) == [
        "ledger_conflict",
        "price_missing",
        "session_conflict",
        "undecodable",
        "unprocessable",
    ]
    for row in exceptions.values():
        assert row["last_error"] not in str(lines)
    for person in ("mentor-1", "another"):
        assert person not in str(lines)


def test_a_bill_that_is_posted_and_owed_no_more_is_logged_as_its_exception(writer: Writer) -> None:
    payable = session_payable()
    writer.post(payable)
    withdrawn = PayableWithdrawn(
        payable.ledger_id, "session", "session-1", source_event_id=event(2)
    )
    with capture_logs() as lines:
        writer.post(inbound(withdrawn, headers={"eventId": event(2).encode()}))

    [line] = [line for line in lines if line["event"] == "exception_recorded"]
    assert (line["reason"], line["event_id"]) == ("ledger_conflict", event(2))
    assert line["exception_id"] == str(writer.exception()["id"])


def test_a_batch_that_the_database_refuses_is_logged_without_what_it_quotes(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner, "course")
    writer.post(session_payable())
    with capture_logs() as lines:
        writer.post(package_payable("package-1", "session-1"))

    [refused] = [line for line in lines if line["event"] == "batch_refused"]
    assert refused["sqlstate"] == "23505"
    assert "session-1" not in str(refused)


def test_a_retry_is_logged_by_its_event(writer: Writer) -> None:
    writer.post(session_payable(mentor_id="without-a-price"))
    writer.make_due()
    with capture_logs() as lines:
        writer.retry()

    [line] = [line for line in lines if line["event"] == "exception_retried"]
    assert (line["event_id"], line["aggregate_id"]) == (event(1), "session-1")
    assert (line["status"], line["attempt"]) == ("retrying", 2)
    assert "without-a-price" not in str(line)


def test_a_receipt_is_logged_and_so_is_what_is_none(writer: Writer) -> None:
    of_an_event = {"id": event(1).encode(), **SAMPLED}
    seen = InboundRecord("events.session", 3, 17, b"session-1", b"{}", of_an_event)
    stranger = InboundRecord("events.session", 3, 18, b"session-1", b"{}", {})
    with capture_logs() as lines:
        writer.receive(seen, stranger)

    assert _said(lines) == [
        ("warning", "exception_recorded", None),
        ("info", "event_received", "session-1"),
    ]
