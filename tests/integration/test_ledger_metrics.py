"""The ledger writer's counters move by exactly what it wrote, once that is committed."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from prometheus_client import REGISTRY

from stream_processors.engine.messages import InboundRecord
from tests.counters import Moved
from tests.integration.ledger_writing import (
    Writer,
    add_price,
    conflict,
    event,
    inbound,
    package_payable,
    session_payable,
)

ENTRIES = "outbox_ledger_entries_posted_total"
EXCEPTIONS = "outbox_billing_exceptions_recorded_total"
RECEIPTS = "outbox_receipts_total"
LEDGER_COUNT = "outbox_commit_to_ledger_seconds_count"
LEDGER_SUM = "outbox_commit_to_ledger_seconds_sum"
PUBLISH_COUNT = "event_publish_duration_seconds_count"
PUBLISH_SUM = "event_publish_duration_seconds_sum"


@pytest.fixture
def moved() -> Moved:
    return Moved(ENTRIES, EXCEPTIONS, RECEIPTS, LEDGER_COUNT, PUBLISH_COUNT)


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def created(record: InboundRecord, at: datetime) -> InboundRecord:
    return replace(record, headers={"createdAt": at.isoformat().encode()})


def receipt(event_id: str, at: datetime) -> InboundRecord:
    headers: dict[str, bytes | None] = {
        "id": event_id.encode(),
        "createdAt": at.isoformat().encode(),
    }
    return InboundRecord("events.session", 0, 1, b"session-1", b"{}", headers)


def time_ordered(at: datetime) -> str:
    """An id as the database makes them, version 7, of an event inserted then."""
    milliseconds = int(at.timestamp() * 1000)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | 2 << 62 | 1))


def total(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def test_an_entry_counts_once_with_its_way_from_the_commit_and_a_replay_not_at_all(
    writer: Writer, owner: psycopg.Connection, moved: Moved
) -> None:
    add_price(owner)
    before = total(LEDGER_SUM, kind="session")
    writer.post(created(inbound(session_payable()), ago(3)))
    took_seconds = total(LEDGER_SUM, kind="session") - before
    writer.post(created(inbound(session_payable()), ago(30_000)))

    assert moved.by() == {(ENTRIES, "session"): 1, (LEDGER_COUNT, "session"): 1}
    assert 3 <= took_seconds < 30


def test_kinds_are_told_apart_and_a_payable_without_the_time_still_counts(
    writer: Writer, owner: psycopg.Connection, moved: Moved
) -> None:
    add_price(owner)
    add_price(owner, "course")
    writer.post(
        created(inbound(session_payable()), ago(1)), package_payable("package-1", "session-2")
    )
    assert moved.by() == {
        (ENTRIES, "session"): 1,
        (ENTRIES, "package"): 1,
        (LEDGER_COUNT, "session"): 1,
    }


@pytest.mark.parametrize("header", [b"yesterday", b"2026-03-01T12:00:00", b"\xff", None])
def test_a_time_that_nobody_can_read_is_no_time(
    writer: Writer, owner: psycopg.Connection, moved: Moved, header: bytes | None
) -> None:
    add_price(owner)
    writer.post(replace(inbound(session_payable()), headers={"createdAt": header}))
    assert moved.by() == {(ENTRIES, "session"): 1}


def test_a_clock_that_runs_behind_makes_no_negative_time(
    writer: Writer, owner: psycopg.Connection
) -> None:
    add_price(owner)
    before = total(LEDGER_SUM, kind="session")
    writer.post(created(inbound(session_payable()), ago(-60)))
    assert total(LEDGER_SUM, kind="session") == before


def test_a_receipt_counts_once_with_the_events_way_to_kafka(writer: Writer, moved: Moved) -> None:
    before = total(PUBLISH_SUM, status="published")
    first = receipt(event(1), ago(2))
    writer.receive(first, receipt(event(2), ago(4)))
    took_seconds = total(PUBLISH_SUM, status="published") - before
    writer.receive(replace(first, offset=7))

    assert moved.by() == {(RECEIPTS,): 2, (PUBLISH_COUNT, "published"): 2}
    assert 6 <= took_seconds < 60


def test_an_exception_counts_when_it_is_written_and_not_when_it_comes_again(
    writer: Writer, moved: Moved
) -> None:
    for _ in range(3):
        writer.post(session_payable())
        writer.report(conflict())
    writer.receive(InboundRecord("events.session", 0, 9, None, b"{}"))
    assert moved.by() == {
        (EXCEPTIONS, "price_missing"): 1,
        (EXCEPTIONS, "session_conflict"): 1,
        (EXCEPTIONS, "undecodable"): 1,
    }


def test_an_event_that_fails_at_once_is_timed_from_its_insert(writer: Writer, moved: Moved) -> None:
    before = total(PUBLISH_SUM, status="failed")
    failing = conflict(source_event_id=time_ordered(ago(5)))
    writer.report(failing, failing)
    assert moved.by() == {(EXCEPTIONS, "session_conflict"): 1, (PUBLISH_COUNT, "failed"): 1}
    assert 5 <= total(PUBLISH_SUM, status="failed") - before < 50


def test_a_bill_whose_retries_come_to_an_end_fails_once(
    writer: Writer, owner: psycopg.Connection, moved: Moved
) -> None:
    writer.post(session_payable(source_event_id=time_ordered(ago(20))))
    for _ in range(2):
        writer.make_due()
        writer.retry()
    assert moved.by() == {(EXCEPTIONS, "price_missing"): 1}
    writer.make_due()
    writer.retry()
    assert writer.exception()["status"] == "failed"
    assert moved.by() == {(EXCEPTIONS, "price_missing"): 1, (PUBLISH_COUNT, "failed"): 1}
    # A person tries it again, in vain.
    owner.execute("UPDATE billing_exceptions SET status = 'retrying', next_attempt_at = now()")
    writer.retry()
    assert writer.exception()["status"] == "failed"
    assert moved.by() == {(EXCEPTIONS, "price_missing"): 1, (PUBLISH_COUNT, "failed"): 1}


def test_a_bill_that_a_retry_posts_is_an_entry_and_its_wait_no_latency(
    writer: Writer, owner: psycopg.Connection, moved: Moved
) -> None:
    writer.post(created(inbound(session_payable()), ago(1)))
    add_price(owner)
    writer.make_due()
    writer.retry()
    assert moved.by() == {(EXCEPTIONS, "price_missing"): 1, (ENTRIES, "session"): 1}


def test_what_is_rolled_back_is_not_counted(
    writer: Writer, owner: psycopg.Connection, moved: Moved
) -> None:
    add_price(owner)
    owner.execute("REVOKE INSERT ON ledger_entry_sessions FROM outbox_ledger_writer")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        writer.post(created(inbound(session_payable()), ago(1)))
    assert moved.by() == {}
