"""Takes a day out of domain_events, without making an application wait for it.

What takes time (looking whether all of the day is archived) is done under a lock that only writers
to that old day would notice. What an application notices, the lock on the whole table, is held for
a few changes in the catalog: it costs the same for any day.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psycopg
from psycopg import errors, sql

from operations.maintain.days import Day

_PAUSE_SECONDS = 0.2
_PAUSE_SECONDS_MAX = 5.0
_QUIET_LOCK_SECONDS = 5
# The archive holds delivered events only: what it has was delivered.
_NOT_ARCHIVED = """
    SELECT count(*) FILTER (WHERE archived.id IS NULL), count(*)
    FROM {events} AS event
    LEFT JOIN archived_events AS archived
        ON archived.id = event.id AND archived.created_at = event.created_at
"""
_LEFT_ALONE = """
    SELECT relname
    FROM pg_class
    JOIN archived_days
        ON relname IN (
            'domain_events_' || to_char(day, 'YYYYMMDD'),
            'domain_event_deliveries_' || to_char(day, 'YYYYMMDD')
        )
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND NOT relispartition
      AND archived_days.dropped_at IS NOT NULL
    ORDER BY relname
"""
_HOLDERS = """
    SELECT array_agg(DISTINCT pid)
    FROM pg_locks
    WHERE relation IN ('domain_events'::regclass, 'domain_event_deliveries'::regclass)
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND granted AND pid <> pg_backend_pid()
"""


class InUseError(Exception):
    """The locks could not be had; the message says who is in the way."""


@dataclass(frozen=True, slots=True)
class Detached:
    """A day that is no longer part of the table, and for how long the table was locked."""

    events: int
    locked_milliseconds: float


def detach(
    connection: psycopg.Connection,
    day: Day,
    lock_milliseconds: int,
    patience_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
) -> Detached | None:
    """Take a day out of both tables; None if some of it is not archived yet: archive again.

    Raises InUseError if others were in the way for `patience_seconds`.
    """
    deadline = time.monotonic() + patience_seconds
    pause_seconds = _PAUSE_SECONDS
    while True:
        try:
            return _detach_once(connection, day, lock_milliseconds)
        except (errors.LockNotAvailable, errors.DeadlockDetected) as error:
            if time.monotonic() >= deadline:
                raise InUseError(_holders(connection)) from error
        sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _PAUSE_SECONDS_MAX)


def _detach_once(
    connection: psycopg.Connection, day: Day, lock_milliseconds: int
) -> Detached | None:
    events = 0
    with connection.transaction():
        if day.events is not None:
            _set_lock_timeout(connection, _QUIET_LOCK_SECONDS * 1000)
            # Stops writers to this one day, and lets everybody read.
            connection.execute(
                sql.SQL("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE").format(
                    sql.Identifier(day.events)
                )
            )
            missing, events = _not_archived(connection, day.events)
            if missing:
                return None
        _set_lock_timeout(connection, lock_milliseconds)
        connection.execute(
            "LOCK TABLE ONLY domain_events, ONLY domain_event_deliveries IN ACCESS EXCLUSIVE MODE"
        )
        locked_at = time.monotonic()
        _detach_partition(connection, "domain_events", day.events)
        _detach_partition(connection, "domain_event_deliveries", day.receipts)
        connection.execute(
            "INSERT INTO archived_days (day, dropped_at, events) "
            "VALUES (%s, clock_timestamp(), %s) ON CONFLICT (day) DO UPDATE "
            "SET dropped_at = excluded.dropped_at, "
            "events = coalesce(archived_days.events, 0) + excluded.events",
            [day.day, events],
        )
    return Detached(events, round(1000 * (time.monotonic() - locked_at), 1))


def _set_lock_timeout(connection: psycopg.Connection, milliseconds: int) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{milliseconds}ms"])


def _not_archived(connection: psycopg.Connection, partition: str) -> tuple[int, int]:
    row = connection.execute(
        sql.SQL(_NOT_ARCHIVED).format(events=sql.Identifier(partition))
    ).fetchone()
    return (0, 0) if row is None else (row[0], row[1])


def _detach_partition(connection: psycopg.Connection, parent: str, partition: str | None) -> None:
    if partition is not None:
        connection.execute(
            sql.SQL("ALTER TABLE {} DETACH PARTITION {}").format(
                sql.Identifier(parent), sql.Identifier(partition)
            )
        )


def drop_detached(connection: psycopg.Connection) -> list[str]:
    """Drop what was taken out, now or by a run that was killed; return the names of the tables.

    Nobody waits for this: nothing refers to them any more.
    """
    names = [name for (name,) in connection.execute(_LEFT_ALONE).fetchall()]
    for name in names:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    return names


def _holders(connection: psycopg.Connection) -> str:
    row = connection.execute(_HOLDERS).fetchone()
    pids = ", ".join(str(pid) for pid in (row[0] if row and row[0] else ()))
    return f"backends with locks on it: {pids}" if pids else "whoever it was has gone since"
