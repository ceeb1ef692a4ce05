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
    owner: psycopg.Connection,
) -> None:
    event = complete(owner, "session-1")
    assert column(owner, "status", event) == "pending"
    assert column(owner, "published_at", event) is None
    deliver(owner, event)
    assert column(owner, "status", event) == "published"
    assert column(owner, "published_at", event) > event.created_at


def test_an_event_is_shown_as_it_was_written(owner: psycopg.Connection) -> None:
    event = complete(owner, "session-1", note="é \\ 🎓", durationMinutes=45.5)
    payload = completed_payload("session-1", note="é \\ 🎓", durationMinutes=45.5)
    assert column(owner, "payload", event) == payload
    assert column(owner, "created_at", event) == event.created_at
    assert column(owner, "event_type", event) == "services.session.completed"
    assert column(owner, "(aggregate_type, aggregate_id)", event) == ("session", "session-1")


@pytest.mark.parametrize("delivered", [True, False])
def test_an_event_is_failed_while_its_exception_is(
    owner: psycopg.Connection, *, delivered: bool
) -> None:
    event = complete(owner, "session-1")
    if delivered:
        deliver(owner, event)
    insert_exception(owner, source_event_id=event.id)
    assert column(owner, "status", event) == "failed"
    owner.execute("UPDATE billing_exceptions SET status = 'resolved'")
    assert column(owner, "status", event) == ("published" if delivered else "pending")


def test_a_retrying_exception_fails_nothing(owner: psycopg.Connection) -> None:
    event = complete(owner, "session-1")
    insert_exception(
        owner, source_event_id=event.id, status="retrying", next_attempt_at="2026-03-01T12:00:02Z"
    )
    assert column(owner, "status", event) == "pending"


@pytest.mark.parametrize(("attempts", "retries"), [(0, 0), (1, 0), (2, 1), (4, 3)])
def test_the_first_attempt_is_no_retry(
    owner: psycopg.Connection, attempts: int, retries: int
) -> None:
    event = complete(owner, "session-1")
    insert_exception(owner, source_event_id=event.id, attempts=attempts)
    assert column(owner, "retry_count", event) == retries


def test_an_event_without_an_exception_has_no_retries_and_no_error(
    owner: psycopg.Connection,
) -> None:
    event = complete(owner, "session-1")
    insert_exception(owner, source_event_id=uuid.uuid4())
    assert column(owner, "retry_count", event) == 0
    assert column(owner, "last_error", event) is None


def test_the_last_error_is_that_of_the_latest_open_exception(owner: psycopg.Connection) -> None:
    event = complete(owner, "session-1")
    insert_exception(owner, source_event_id=event.id, last_error="first")
    latest = insert_exception(owner, source_event_id=event.id, last_error="second")
    assert column(owner, "last_error", event) == "second"
    owner.execute("UPDATE billing_exceptions SET status = 'resolved' WHERE id = %s", [latest])
    assert column(owner, "last_error", event) == "first"


def test_an_event_has_one_row_however_many_exceptions_it_has(owner: psycopg.Connection) -> None:
    event = complete(owner, "session-1")
    deliver(owner, event)
    for reason in ("session_conflict", "price_missing", "ledger_conflict"):
        insert_exception(owner, source_event_id=event.id, reason=reason)
    assert owner.execute("SELECT count(*) FROM domain_event_status").fetchone() == (1,)


def test_the_last_hour_counts_and_averages_by_status(owner: psycopg.Connection) -> None:
    owner.execute(MANY_EVENTS, {"age": "10 minutes", "count": 30})
    owner.execute(THEIR_RECEIPTS)
    owner.execute(MANY_EVENTS, {"age": "2 hours", "count": 50})
    pending = complete(owner, "session-1")
    failed = complete(owner, "session-2")
    insert_exception(owner, source_event_id=failed.id)
    rows = owner.execute(LAST_HOUR).fetchall()
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


def test_billing_is_computed_only_where_it_is_asked_for(owner: psycopg.Connection) -> None:
    complete(owner, "session-1")
    owner.execute("ALTER FUNCTION domain_event_billing(uuid, text, text, jsonb) RENAME TO hidden")
    owner.execute(
        "CREATE OR REPLACE FUNCTION hidden(event_id uuid, event_type text, aggregate_id text, "
        "payload jsonb) RETURNS text LANGUAGE plpgsql STABLE AS "
        "$$ BEGIN RAISE EXCEPTION 'asked for'; END $$"
    )
    owner.execute("SELECT id, status, retry_count, last_error FROM domain_event_status")
    with pytest.raises(psycopg.errors.RaiseException, match="asked for"):
        owner.execute("SELECT billing FROM domain_event_status")
