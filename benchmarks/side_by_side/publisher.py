"""The publishers of the report, as a process: `python -m benchmarks.side_by_side.publisher`.

It takes a hundred pending events at a time under an advisory lock, hands each to the listener,
marks them, until none is pending; then it sleeps, or waits for a NOTIFY.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import psycopg

from benchmarks.side_by_side.rules import Event, bill

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CHANNEL = "outbox_events"
_EVENTS_AT_ONCE = 100
_LOCK = 20_261_123
_PENDING = """
    SELECT id::text, aggregate_id, event_type, payload::text FROM outbox_events
    WHERE status = 'pending' ORDER BY created_at LIMIT %s
"""
_MARK = """
    UPDATE outbox_events SET status = 'published', published_at = clock_timestamp()
    WHERE id = ANY(%s::uuid[])
"""
# A notification that was sent before anybody listened is not repeated.
_NOTIFY_PATIENCE_SECONDS = 1.0


@click.command()
@click.argument("database_url")
@click.option("--every-seconds", type=float, help="Poll so often; else wait for a NOTIFY.")
def main(database_url: str, every_seconds: float | None) -> None:
    """Publish what is pending, for ever."""
    with (
        psycopg.connect(database_url, autocommit=True) as outbox,
        psycopg.connect(database_url, autocommit=True) as ledger,
    ):
        wait: Callable[[], object]
        if every_seconds is None:
            outbox.execute(f"LISTEN {CHANNEL}")
            wait = lambda: notified(outbox)  # noqa: E731 - one of two ways to wait
        else:
            seconds = every_seconds
            wait = lambda: time.sleep(seconds)  # noqa: E731
        while True:
            wait()
            publish_pending(outbox, lambda events: _bill_each(ledger, events))


def publish_pending(
    outbox: psycopg.Connection[Any], publish: Callable[[Sequence[Event]], None]
) -> None:
    """Publish until nothing is pending, unless another publisher is at it."""
    if outbox.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone() != (True,):
        return
    while pending := outbox.execute(_PENDING, [_EVENTS_AT_ONCE]).fetchall():
        publish([Event(*row) for row in pending])
        outbox.execute(_MARK, [[event_id for event_id, *_ in pending]])
    outbox.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])


def _bill_each(ledger: psycopg.Connection[Any], events: Sequence[Event]) -> None:
    for event in events:
        with ledger.transaction():
            bill(ledger, event)


def notified(outbox: psycopg.Connection[Any]) -> None:
    """Wait for one notification; what else has come by then is the same news."""
    for _ in outbox.notifies(timeout=_NOTIFY_PATIENCE_SECONDS, stop_after=1):
        pass


if __name__ == "__main__":
    main()
