"""(c) of the report: an in-process event emitter. `python -m benchmarks.publishers.emitter`.

The application commits, then emits; the listener bills, in the same process, off a queue in memory.
"""

from __future__ import annotations

import queue
import threading

import click
import psycopg

from benchmarks.publishers.bursts import complete_in_bursts, session_ids
from benchmarks.publishers.listener import bill

_END = ""


class EmittingSessions:
    """The application's transaction, and the event after it."""

    def __init__(self, database_url: str, events: queue.Queue[str]) -> None:
        self._connection = psycopg.connect(database_url)
        self._events = events

    def completed(self) -> set[str]:
        """See bursts.Sessions."""
        rows = self._connection.execute("SELECT session_id FROM sessions").fetchall()
        return {session_id for (session_id,) in rows}

    def complete(self, session_id: str) -> None:
        """Commit the business change, then tell the listener."""
        with self._connection.transaction():
            self._connection.execute("INSERT INTO sessions VALUES (%s)", [session_id])
        self._events.put(session_id)


def _listen(database_url: str, events: queue.Queue[str]) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        while (session_id := events.get()) != _END:
            bill(connection, session_id)


@click.command()
@click.argument("database_url")
@click.option("--name", required=True, help="Of the run: its sessions' ids begin so.")
@click.option("--sessions", type=int, required=True)
def main(database_url: str, name: str, sessions: int) -> None:
    """Complete sessions and bill each by its event; ends when all is billed that was emitted."""
    events: queue.Queue[str] = queue.Queue()
    listener = threading.Thread(target=_listen, args=(database_url, events))
    listener.start()
    try:
        complete_in_bursts(
            session_ids(name, sessions), lambda: EmittingSessions(database_url, events)
        )
    finally:
        events.put(_END)
        listener.join()


if __name__ == "__main__":
    main()
