"""What the database itself does not take: that record alone becomes an exception."""

from dataclasses import replace
from typing import Any

import psycopg
import pytest

from schemas.errors import UnknownFingerprint
from stream_processors.engine.deaths import DeathJournal
from tests.integration.ledger_writing import (
    Writer,
    add_price,
    conflict,
    event,
    inbound,
    session_payable,
)

GOOD = session_payable("session-good", source_event_id=event(77))


@pytest.fixture
def writer(writer: Writer, owner: psycopg.Connection) -> Writer:
    """It has a price."""
    add_price(owner)
    return writer


@pytest.mark.parametrize(
    "changes",
    [
        {"student_id": "stu\0dent"},
        {"mentor_id": "men\0tor"},
        {"session_id": "ses\0sion"},
        {"session_ids": ("ses\0sion",)},
        {"ledger_id": "no uuid"},
        {"ledger_id": "E853806A-84FF-50E1-A61B-5C765A09E1D5"},
        {"source_event_id": "no uuid"},
        {"source_event_id": ""},
        {"session_id": None},
        {"session_id": "s" * 100_000},
        {"session_ids": ("s" * 100_000,)},
        {"session_ids": ("session-1", "session-1")},
        {"service_package_id": "package-1"},
    ],
    ids=lambda changes: "{}={:.20}".format(*next((k, repr(v)) for k, v in changes.items())),
)
def test_a_payable_that_the_database_refuses_is_an_exception_and_the_rest_is_posted(
    writer: Writer, changes: dict[str, Any]
) -> None:
    refused = inbound(replace(session_payable(), **changes))
    for _ in range(2):
        writer.post(GOOD, refused)

    assert [entry["session_id"] for entry in writer.entries()] == ["session-good"]
    reasons = {each["reason"] for each in writer.exceptions()}
    assert reasons <= {"unprocessable", "ledger_conflict"}
    assert len(writer.exceptions()) == 1
    assert {each["status"] for each in writer.exceptions()} == {"failed"}


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xc3\x01", b"\xff\0"])
def test_a_record_that_is_no_payable_is_undecodable_and_the_rest_is_posted(
    writer: Writer, value: bytes | None
) -> None:
    writer.post(inbound(value, offset=71), GOOD)

    assert len(writer.entries()) == 1
    exception = writer.exception()
    assert (exception["reason"], exception["status"]) == ("undecodable", "failed")
    assert exception["subject"] == "billing.payables[0]@71"
    assert exception["kind"] is None
    assert exception["record"]["offset"] == 71


def test_a_record_of_a_newer_release_stops_the_writer_and_nothing_is_posted(writer: Writer) -> None:
    newer = b"\xc3\x01" + b"unknown!" + b"whatever"
    for _ in range(4):
        with pytest.raises(UnknownFingerprint):
            writer.post(GOOD, newer)
        with pytest.raises(UnknownFingerprint):
            writer.report(conflict(), newer)

    assert writer.entries() == []
    assert writer.exceptions() == []


def test_a_record_that_the_writer_died_of_three_times_is_unprocessable(writer: Writer) -> None:
    deadly = inbound(session_payable("session-1"), offset=5)
    for _ in range(3):
        DeathJournal(writer.directory / "payables").take_up(deadly.position)

    writer.post(deadly, GOOD)

    assert [entry["session_id"] for entry in writer.entries()] == ["session-good"]
    exception = writer.exception()
    assert (exception["reason"], exception["subject"]) == ("unprocessable", deadly.position)
    assert "died 3 times" in exception["last_error"]
    assert "value_base64" in exception["record"]


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "a reason of nobody"},
        {"source_event_id": "no uuid"},
        {"record": b"no json"},
        {"record": b"\xff"},
        {"record": b'{"number": NaN}'},
        {"record": b'{"half": "\\ud800"}'},
        {"record": b'{"nul": "\\u0000"}'},
        {"record": b"[" * 100_000},
        {"subject": "s\0"},
        {"subject": "s" * 100_000},
        {"error": "e\0"},
        {"basis": -1},
    ],
    ids=lambda changes: "{}={:.20}".format(*next((k, repr(v)) for k, v in changes.items())),
)
def test_a_report_that_cannot_be_recorded_as_it_is_holds_nothing_up(
    writer: Writer, changes: dict[str, Any]
) -> None:
    records = inbound(conflict(**changes)), inbound(conflict(subject="session-good"))
    for _ in range(2):
        writer.report(*records)

    exceptions = writer.exceptions()
    assert "session-good" in {each["subject"] for each in exceptions}
    assert len(exceptions) == 2


@pytest.mark.parametrize("value", [None, b"", b"{}"])
def test_a_record_that_is_no_report_is_undecodable(writer: Writer, value: bytes | None) -> None:
    writer.report(inbound(value, topic="billing.dead-letters", offset=3), conflict())

    reasons = {each["reason"]: each["subject"] for each in writer.exceptions()}
    assert reasons == {
        "undecodable": "billing.dead-letters[0]@3",
        "session_conflict": "session-1",
    }
