import threading
import time
from dataclasses import replace

import psycopg
import pytest
from psycopg.rows import DictRow

from stream_processors.engine.messages import InboundRecord
from tests.integration.database_rows import column, complete
from tests.integration.ledger_writing import Writer, event

RECORD = InboundRecord(
    topic="events.session",
    partition=2,
    offset=40,
    key=b"session-1",
    value=b"{}",
    headers={"id": event(1).encode(), "createdAt": b"2026-03-01T12:00:00.123456Z"},
)


def _receipts(writer: Writer) -> list[DictRow]:
    return writer.rows.execute("SELECT * FROM domain_event_deliveries").fetchall()


def test_a_receipt_says_which_event_was_seen_where(writer: Writer) -> None:
    writer.receive(RECORD)

    [receipt] = _receipts(writer)
    assert str(receipt["event_id"]) == event(1)
    assert receipt["event_created_at"].isoformat() == "2026-03-01T12:00:00.123456+00:00"
    assert (receipt["topic"], receipt["partition"], receipt["offset"]) == ("events.session", 2, 40)
    assert writer.exceptions() == []


def test_the_first_delivery_counts(writer: Writer) -> None:
    writer.receive(RECORD, replace(RECORD, offset=41))
    first = _receipts(writer)
    writer.receive(replace(RECORD, offset=42))

    assert [receipt["offset"] for receipt in first] == [40]
    assert _receipts(writer) == first


def test_a_receipt_publishes_the_event_that_it_is_for(
    writer: Writer, owner: psycopg.Connection, application: psycopg.Connection
) -> None:
    inserted = complete(application, "session-1")
    assert column(owner, "status", inserted) == "pending"
    headers: dict[str, bytes | None] = {
        "id": str(inserted.id).encode(),
        "createdAt": inserted.created_at.isoformat().encode(),
    }

    writer.receive(replace(RECORD, headers=headers))

    assert column(owner, "status", inserted) == "published"


def test_a_record_in_another_topic_is_no_receipt_and_keeps_the_true_one_from_nothing(
    writer: Writer, owner: psycopg.Connection, application: psycopg.Connection
) -> None:
    inserted = complete(application, "session-1")
    headers: dict[str, bytes | None] = {
        "id": str(inserted.id).encode(),
        "createdAt": inserted.created_at.isoformat().encode(),
    }
    undelivered = "SELECT id FROM undelivered_events"

    writer.receive(replace(RECORD, topic="events.user", headers=headers))
    assert column(owner, "status", inserted) == "pending"
    assert owner.execute(undelivered).fetchall() == [(inserted.id,)]

    writer.receive(replace(RECORD, headers=headers))
    assert column(owner, "status", inserted) == "published"
    assert owner.execute(undelivered).fetchall() == []
    assert owner.execute("SELECT topic FROM recorded_events").fetchall() == [("events.session",)]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"id": event(1).encode()},
        {"createdAt": b"2026-03-01T12:00:00Z"},
        {"id": b"no uuid", "createdAt": b"2026-03-01T12:00:00Z"},
        {"id": b"\xff", "createdAt": b"2026-03-01T12:00:00Z"},
        {"id": None, "createdAt": b"2026-03-01T12:00:00Z"},
        {"id": event(1).encode(), "createdAt": b"yesterday"},
        {"id": event(1).encode(), "createdAt": b"2026-03-01T12:00:00"},
        {"id": event(1).encode(), "createdAt": b"\xff"},
        {"id": event(1).encode(), "createdAt": None},
    ],
    ids=str,
)
def test_a_record_that_names_no_event_is_undecodable_and_the_rest_is_received(
    writer: Writer, headers: dict[str, bytes | None]
) -> None:
    stranger = replace(RECORD, offset=39, value=b"\xff\0", headers=headers)
    for _ in range(2):
        writer.receive(stranger, RECORD)

    assert [receipt["offset"] for receipt in _receipts(writer)] == [40]
    exception = writer.exception()
    assert (exception["reason"], exception["status"]) == ("undecodable", "failed")
    assert exception["subject"] == "events.session[2]@39"
    assert exception["record"]["value_base64"] == "/wA="


def test_a_header_of_any_name_can_be_recorded(writer: Writer) -> None:
    writer.receive(replace(RECORD, headers={"na\0me": b"\0"}))

    assert writer.exception()["record"]["headers"] == [
        {"name": "na\ufffdme", "value_base64": "AA=="}
    ]


@pytest.mark.parametrize(
    "created_at",
    [
        b"0001-01-02T00:00:00+14:00",
        b"9999-12-30T23:59:59-14:00",
        b"1969-01-01T00:00Z",
        b"2026-03-01T12:00:00+16:00",
        b"2026-03-01T12:00:00-23:59",
        b"2026-03-01T12:00:00+00:00:30.5",
    ],
)
def test_a_time_far_away_or_with_an_odd_offset_holds_nothing_up(
    writer: Writer, created_at: bytes
) -> None:
    far = replace(RECORD, headers={"id": event(2).encode(), "createdAt": created_at})

    writer.receive(far, RECORD)

    assert len(writer.rows.execute("SELECT event_id FROM domain_event_deliveries").fetchall()) == 2


def test_a_time_that_is_none_in_utc_is_reported_and_holds_nothing_up(writer: Writer) -> None:
    beyond = {"id": event(2).encode(), "createdAt": b"0001-01-01T00:00:00+14:00"}

    writer.receive(replace(RECORD, headers=beyond), RECORD)

    assert len(writer.rows.execute("SELECT event_id FROM domain_event_deliveries").fetchall()) == 1
    assert writer.exception()["reason"] == "undecodable"


def test_a_lock_that_passes_is_waited_out(writer: Writer, owner: psycopg.Connection) -> None:
    with psycopg.connect(owner.info.dsn, password=owner.info.password) as blocker:
        blocker.execute("LOCK TABLE domain_event_deliveries IN ACCESS EXCLUSIVE MODE")
        receiving = threading.Thread(target=writer.receive, args=[RECORD])
        receiving.start()
        # Longer than the writer's lock_timeout.
        time.sleep(4)
        assert receiving.is_alive()
        blocker.rollback()
    receiving.join(20)
    assert len(writer.rows.execute("SELECT event_id FROM domain_event_deliveries").fetchall()) == 1


def test_many_receipts_are_written_at_once(writer: Writer) -> None:
    records = [
        replace(RECORD, offset=number, headers={**RECORD.headers, "id": event(number).encode()})
        for number in range(1, 1001)
    ]

    writer.receive(*records)

    assert len(_receipts(writer)) == 1000
