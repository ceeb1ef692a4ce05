from typing import Any

import psycopg
import pytest
from psycopg import errors

from tests.integration.database_rows import insert_exception

REASONS = [
    "price_missing",
    "database_unavailable",
    "timeout",
    "undecodable",
    "unknown_event_type",
    "session_conflict",
    "package_conflict",
    "package_exceeded",
    "ledger_conflict",
    "unprocessable",
]


def _row(connection: psycopg.Connection, columns: str) -> tuple[Any, ...]:
    row = connection.execute(f"SELECT {columns} FROM billing_exceptions").fetchone()
    assert row is not None
    return row


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_of_the_interface_is_known(scratch: psycopg.Connection, reason: str) -> None:
    insert_exception(scratch, reason=reason)
    assert _row(scratch, "reason") == (reason,)


@pytest.mark.parametrize(
    "changes",
    [
        {"reason": "bad_luck"},
        {"status": "asleep"},
        {"kind": "contract"},
        {"attempts": -1},
        {"basis": -1},
        {"status": "retrying"},
        {"status": "dismissed"},
        {"status": "dismissed", "resolution": " "},
    ],
    ids=lambda changes: ",".join(f"{name}={value}" for name, value in changes.items()),
)
def test_an_exception_that_makes_no_sense_is_refused(
    scratch: psycopg.Connection, changes: dict[str, Any]
) -> None:
    with pytest.raises(errors.CheckViolation):
        insert_exception(scratch, **changes)


def test_a_retrying_exception_has_a_time_and_keeps_none_when_it_fails(
    scratch: psycopg.Connection,
) -> None:
    insert_exception(scratch, status="retrying", next_attempt_at="2026-03-01T12:00:02Z")
    assert _row(scratch, "next_attempt_at IS NOT NULL") == (True,)
    scratch.execute("UPDATE billing_exceptions SET status = 'failed'")
    assert _row(scratch, "next_attempt_at") == (None,)


@pytest.mark.parametrize("status", ["resolved", "dismissed"])
def test_an_exception_that_ends_says_when_and_one_taken_up_again_does_not(
    scratch: psycopg.Connection, status: str
) -> None:
    insert_exception(scratch)
    scratch.execute(
        "UPDATE billing_exceptions SET status = %s, resolution = 'told the mentor'", [status]
    )
    assert _row(scratch, "resolved_at = updated_at, resolution") == (True, "told the mentor")
    scratch.execute(
        "UPDATE billing_exceptions SET status = 'retrying', next_attempt_at = clock_timestamp()"
    )
    assert _row(scratch, "resolved_at, resolution") == (None, None)


def test_every_change_is_dated(scratch: psycopg.Connection) -> None:
    insert_exception(scratch)
    before = _row(scratch, "updated_at, first_failed_at")
    scratch.execute("UPDATE billing_exceptions SET attempts = 5")
    after = _row(scratch, "updated_at, first_failed_at")
    assert after[0] > before[0]
    assert after[1] == before[1]
