"""Tries exceptions again, and watches what becomes of them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from operations.actions import record_actions_on_exceptions
from operations.exceptions.listing import Choice, chosen_exceptions
from operations.exceptions.resending import resend
from schemas.brokers import Brokers

WAIT_SECONDS = 10.0
_POLL_SECONDS = 0.1

# attempts as they are: a try that fails again goes on counting from there.
_RETRY_NOW = """
    UPDATE billing_exceptions
    SET status = 'retrying', next_attempt_at = clock_timestamp()
    WHERE id = ANY(%(ids)s) AND status <> 'resolved'
    RETURNING id, attempts, reason, subject
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What became of one exception that was tried again."""

    id: UUID
    reason: str
    subject: str
    became: str
    error: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether nothing more is to be done about it."""
        return self.became.startswith(("resolved", "sent again"))


def retry_and_wait(
    connection: psycopg.Connection[Any],
    exceptions: Sequence[UUID],
    wait_seconds: float = WAIT_SECONDS,
    actor: str | None = None,
) -> list[Attempt]:
    """Let the ledger writer post payables again now; return what became of each.

    `exceptions`: ids of exceptions that hold a payable; one that is resolved already is left so.
    `connection` must be in autocommit: the ledger writer is another process.
    """
    if not exceptions:
        return []
    with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
        retried = cursor.execute(_RETRY_NOW, {"ids": list(exceptions)}).fetchall()
        record_actions_on_exceptions(connection, "exceptions.retry", retried, actor=actor)
    return wait_for_attempts(
        connection, {row["id"]: row["attempts"] for row in retried}, exceptions, wait_seconds
    )


def wait_for_attempts(
    connection: psycopg.Connection[Any],
    tried: Mapping[UUID, int],
    exceptions: Sequence[UUID],
    wait_seconds: float = WAIT_SECONDS,
) -> list[Attempt]:
    """Wait until the ledger writer has tried `exceptions` once more; return what became of each.

    `tried`: how often each had been tried before.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        rows = chosen_exceptions(connection, Choice(ids=exceptions))
        waiting = any(_untried(row, tried) for row in rows)
        if not waiting or time.monotonic() >= deadline:
            return [_attempt(row, tried) for row in rows]
        time.sleep(_POLL_SECONDS)


def _untried(row: Mapping[str, Any], tried: Mapping[UUID, int]) -> bool:
    attempts: int = row["attempts"]
    return row["status"] == "retrying" and attempts == tried.get(row["id"])


def _attempt(row: Mapping[str, Any], tried: Mapping[UUID, int]) -> Attempt:
    error = row["last_error"]
    if row["status"] == "resolved":
        resolution = row["resolution"] or "resolved"
        became = resolution if resolution.startswith("became") else f"resolved: {resolution}"
        error = None
    elif _untried(row, tried):
        became = "not tried yet: see whether the ledger writer runs (`outbox status`)"
    elif row["status"] == "retrying":
        became = f"failed again, tried next at {row['next_attempt_at'].isoformat()}"
    else:
        became = "failed again"
    return Attempt(row["id"], row["reason"], row["subject"], became, error)


def retry_record(
    connection: psycopg.Connection[Any],
    brokers: Brokers,
    row: Mapping[str, Any],
    edited_value: bytes | None = None,
    actor: str | None = None,
) -> Attempt:
    """Send the record of an exception to its topic again.

    Raises UnreachableError and ProblemError where it was not sent.
    """
    sent = resend(connection, brokers, [row["id"]], actor=actor, edited_value=edited_value)
    if sent.failure is not None:
        raise sent.failure
    position = sent.positions.get(row["id"])
    became = "resolved: meanwhile" if position is None else f"sent again as {position}"
    return Attempt(row["id"], row["reason"], row["subject"], became)
