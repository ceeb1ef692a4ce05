"""(a) of the report: the polling publisher. `python -m benchmarks.publishers.polling`.

Every so often, under an advisory lock: takes 100 pending events, publishes each to its listener,
marks it. The application writes business change and event in one transaction.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click
import psycopg

from benchmarks.publishers.bursts import complete_in_bursts, session_ids
from benchmarks.publishers.listener import bill

if TYPE_CHECKING:
    from collections.abc import Sequence

EVENTS_AT_ONCE = 100
_LOCK = 20_261_123
_PENDING = """
    SELECT id, session_id FROM outbox_events WHERE status = 'pending'
    ORDER BY created_at LIMIT %s
"""
_MARK = "UPDATE outbox_events SET status = 'published', published_at = now() WHERE id = %s"


class OutboxSessions:
    """The application's transaction: the business change, and the event beside it."""

    def __init__(self, database_url: str) -> None:
        self._connection = psycopg.connect(database_url)

    def completed(self) -> set[str]:
        """See bursts.Sessions."""
        rows = self._connection.execute("SELECT session_id FROM sessions").fetchall()
        return {session_id for (session_id,) in rows}

    def complete(self, session_id: str) -> None:
        """Commit business change and event together."""
        with self._connection.transaction():
            self._connection.execute("INSERT INTO sessions VALUES (%s)", [session_id])
            self._connection.execute(
                "INSERT INTO outbox_events (session_id) VALUES (%s)", [session_id]
            )


@click.group()
def main() -> None:
    """Run the application, or its publisher."""


@main.command()
@click.argument("database_url")
@click.option("--name", required=True, help="Of the run: its sessions' ids begin so.")
@click.option("--sessions", type=int, required=True)
def application(database_url: str, name: str, sessions: int) -> None:
    """Complete sessions; ends when all are committed."""
    complete_in_bursts(session_ids(name, sessions), lambda: OutboxSessions(database_url))


@main.command()
@click.argument("database_url")
@click.option("--every-seconds", type=float, default=30.0, show_default=True)
@click.option("--ask-first", is_flag=True, help="The listener looks for a bill before it writes.")
def publisher(database_url: str, every_seconds: float, *, ask_first: bool) -> None:
    """Publish what is pending, for ever."""
    with (
        psycopg.connect(database_url, autocommit=True) as outbox,
        psycopg.connect(database_url, autocommit=True) as ledger,
    ):
        while True:
            if _locked(outbox):
                _publish(outbox, ledger, ask_first=ask_first)
                outbox.execute("SELECT pg_advisory_unlock(%s)", [_LOCK])
            time.sleep(every_seconds)


def _locked(outbox: psycopg.Connection[Any]) -> bool:
    return outbox.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK]).fetchone() == (True,)


def _publish(
    outbox: psycopg.Connection[Any], ledger: psycopg.Connection[Any], *, ask_first: bool
) -> None:
    pending: Sequence[tuple[int, str]] = outbox.execute(_PENDING, [EVENTS_AT_ONCE]).fetchall()
    for event_id, session_id in pending:
        bill(ledger, session_id, ask_first=ask_first)
        outbox.execute(_MARK, [event_id])


if __name__ == "__main__":
    main()
