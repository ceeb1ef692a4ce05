"""Columns of domain_event_status but for `billing`, and its speed."""

import time
import uuid
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from tests.integration.database_rows import (
    column,
    complete,
    completed_payload,
    deliver,
    insert_exception,
)

COLUMNS = [
    "id",
    "aggregate_type",
    "aggregate_id",
    "event_type",
    "payload",
    "status",
    "billing",
    "retry_count",
    "created_at",
    "published_at",
    "last_error",
]
LAST_HOUR = """
    SELECT status, count(*), avg(extract(epoch FROM published_at - created_at))
    FROM domain_event_status
    WHERE created_at > now() - interval '1 hour'
    GROUP BY status
"""
MANY_EVENTS = """
    INSERT INTO domain_events
        (aggregate_type, aggregate_id, event_type, payload, created_at)
    SELECT 'user', 'user-' || number, 'user.signup',
           jsonb_build_object('userId', 'user-' || number, 'signedUpAt', '2026-03-01T12:00:00Z'),
           clock_timestamp() - %(age)s::interval
    FROM generate_series(1, %(count)s) AS number
"""
THEIR_RECEIPTS = """
    INSERT INTO domain_event_deliveries
    SELECT id, created_at, 'events.user', 0, row_number() OVER (), created_at + interval '20 ms'
    FROM domain_events
"""


def test_the_columns_are_those_of_the_interface(scratch: psycopg.Connection) -> None:
    cursor = scratch.execute("SELECT * FROM domain_event_status")
    assert [description.name for description in cursor.description or []] == COLUMNS


def test_an_event_is_pending_until_its_receipt_and_published_after(
    scratch: psycopg.Connection,
) -> None:
    event = complete(scratch, "session-1")
    assert column(scratch, "status", event) == "pending"
    assert column(scratch, "published_at", event) is None
    deliver(scratch, event)
    assert column(scratch, "status", event) == "published"
    assert column(scratch, "published_at", event) > event.created_at


def test_an_event_is_shown_as_it_was_written(scratch: psycopg.Connection) -> None:
    event = complete(scratch, "session-1", note="é \\ 🎓", durationMinutes=45.5)
    payload = completed_payload("session-1", note="é \\ 🎓", durationMinutes=45.5)
    assert column(scratch, "payload", event) == payload
    assert column(scratch, "created_at", event) == event.created_at
    assert column(scratch, "event_type", event) == "services.session.completed"
    assert column(scratch, "(aggregate_type, aggregate_id)", event) == ("session", "session-1")


@pytest.mark.parametrize("delivered", [True, False])
def test_an_event_is_failed_while_its_exception_is(
    scratch: psycopg.Connection, *, delivered: bool
) -> None:
    event = complete(scratch, "session-1")
    if delivered:
        deliver(scratch, event)
    insert_exception(scratch, source_event_id=event.id)
    assert column(scratch, "status", event) == "failed"
    scratch.execute("UPDATE billing_exceptions SET status = 'resolved'")
    assert column(scratch, "status", event) == ("published" if delivered else "pending")


def test_a_retrying_exception_fails_nothing(scratch: psycopg.Connection) -> None:
    event = complete(scratch, "session-1")
    insert_exception(
        scratch, source_event_id=event.id, status="retrying", next_attempt_at="2026-03-01T12:00:02Z"
    )
    assert column(scratch, "status", event) == "pending"


@pytest.mark.parametrize(("attempts", "retries"), [(0, 0), (1, 0), (2, 1), (4, 3)])
def test_the_first_attempt_is_no_retry(
    scratch: psycopg.Connection, attempts: int, retries: int
) -> None:
    event = complete(scratch, "session-1")
    insert_exception(scratch, source_event_id=event.id, attempts=attempts)
    assert column(scratch, "retry_count", event) == retries


def test_an_event_without_an_exception_has_no_retries_and_no_error(
    scratch: psycopg.Connection,
) -> None:
    event = complete(scratch, "session-1")
    insert_exception(scratch, source_event_id=uuid.uuid4())
    assert column(scratch, "retry_count", event) == 0
    assert column(scratch, "last_error", event) is None


def test_the_last_error_is_that_of_the_latest_open_exception(scratch: psycopg.Connection) -> None:
    event = complete(scratch, "session-1")
    insert_exception(scratch, source_event_id=event.id, last_error="first")
    latest = insert_exception(scratch, source_event_id=event.id, last_error="second")
    assert column(scratch, "last_error", event) == "second"
    scratch.execute("UPDATE billing_exceptions SET status = 'resolved' WHERE id = %s", [latest])
    assert column(scratch, "last_error", event) == "first"


def test_an_event_has_one_row_however_many_exceptions_it_has(scratch: psycopg.Connection) -> None:
    event = complete(scratch, "session-1")
    deliver(scratch, event)
    for reason in ("session_conflict", "price_missing", "ledger_conflict"):
        insert_exception(scratch, source_event_id=event.id, reason=reason)
    assert scratch.execute("SELECT count(*) FROM domain_event_status").fetchone() == (1,)


def test_the_last_hour_counts_and_averages_by_status(scratch: psycopg.Connection) -> None:
    scratch.execute(MANY_EVENTS, {"age": "10 minutes", "count": 30})
    scratch.execute(THEIR_RECEIPTS)
    scratch.execute(MANY_EVENTS, {"age": "2 hours", "count": 50})
    pending = complete(scratch, "session-1")
    failed = complete(scratch, "session-2")
    insert_exception(scratch, source_event_id=failed.id)
    rows = scratch.execute(LAST_HOUR).fetchall()
    assert pending.id != failed.id
    assert {status: (count, average) for status, count, average in rows} == {
        "pending": (1, None),
        "failed": (1, None),
        "published": (30, Decimal("0.02")),
    }


def test_the_last_hour_is_fast_over_many_events(owner: psycopg.Connection) -> None:
    # A tenth of what it is made for, to keep the suite quick; a million take about ten times this.
    owner.execute("SELECT create_partition('domain_events', current_date - 1)")
    owner.execute("SELECT create_partition('domain_event_deliveries', current_date - 1)")
    owner.execute(MANY_EVENTS, {"age": "1 minute", "count": 100_000})
    owner.execute(THEIR_RECEIPTS)
    owner.execute("ANALYZE")
    started = time.perf_counter()
    rows = owner.execute(LAST_HOUR).fetchall()
    assert time.perf_counter() - started < 1.5
    assert rows == [("published", 100_000, Decimal("0.02"))]


def test_the_last_hour_does_not_read_the_days_before(owner: psycopg.Connection) -> None:
    owner.execute("SELECT create_partition('domain_events', (now() AT TIME ZONE 'UTC')::date - 5)")
    owner.execute(MANY_EVENTS, {"age": "5 days", "count": 20_000})
    owner.execute(THEIR_RECEIPTS)
    complete(owner, "session-1")
    owner.execute("ANALYZE")
    plan = owner.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {LAST_HOUR}").fetchone()
    assert plan is not None
    read = [node["Actual Rows"] * node["Actual Loops"] for node in _scans(plan[0][0]["Plan"])]
    assert sum(read) < 100


def _scans(node: dict[str, Any]) -> list[dict[str, Any]]:
    below = [scan for child in node.get("Plans", []) for scan in _scans(child)]
    return [node, *below] if "Relation Name" in node else below


def test_billing_is_computed_only_where_it_is_asked_for(scratch: psycopg.Connection) -> None:
    complete(scratch, "session-1")
    scratch.execute("ALTER FUNCTION domain_event_billing(uuid, text, text, jsonb) RENAME TO hidden")
    scratch.execute(
        "CREATE OR REPLACE FUNCTION hidden(event_id uuid, event_type text, aggregate_id text, "
        "payload jsonb) RETURNS text LANGUAGE plpgsql STABLE AS "
        "$$ BEGIN RAISE EXCEPTION 'asked for'; END $$"
    )
    scratch.execute("SELECT id, status, retry_count, last_error FROM domain_event_status")
    with pytest.raises(psycopg.errors.RaiseException, match="asked for"):
        scratch.execute("SELECT billing FROM domain_event_status")
