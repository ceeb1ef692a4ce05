"""Days of the past in a real database: events that were written then, received, and archived."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from operations.maintain.maintenance import maintain_database
from operations.maintain.report import Maintenance
from operations.maintain.settings import MaintainSettings
from tests.integration.database_rows import COMPLETED, InsertedEvent, completed_payload
from tests.integration.reconciled import receive

RETENTION_DAYS = 30
OLD_DAYS = RETENTION_DAYS + 1
"""The youngest day that may go: all of it is older than the retention."""


def noon(days_ago: int) -> datetime:
    today = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    return today - timedelta(days=days_ago)


def partition_name(parent: str, days_ago: int) -> str:
    return f"{parent}_{noon(days_ago):%Y%m%d}"


def make_day(connection: psycopg.Connection, days_ago: int) -> None:
    """Make both partitions of a day, as they were made when it came."""
    for parent in ("domain_events", "domain_event_deliveries"):
        connection.execute("SELECT create_partition(%s, %s)", [parent, noon(days_ago).date()])


def write_at(
    connection: psycopg.Connection,
    created_at: datetime,
    payload: dict[str, Any],
    event_type: str = COMPLETED,
    aggregate: tuple[str, str] = ("session", "sessionId"),
) -> InsertedEvent:
    row = connection.execute(
        "INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload, created_at) "
        "VALUES (%s, %s, %s, %s, %s) RETURNING id, created_at",
        [aggregate[0], payload[aggregate[1]], event_type, Jsonb(payload), created_at],
    ).fetchone()
    assert row is not None
    return InsertedEvent(*row)


def old_session(
    connection: psycopg.Connection, session: str, days_ago: int = OLD_DAYS, **changes: Any
) -> InsertedEvent:
    """Complete a session on a day of the past, and let its event be received."""
    make_day(connection, days_ago)
    event = write_at(connection, noon(days_ago), completed_payload(session, **changes))
    receive(connection, event)
    return event


def maintained(connection: psycopg.Connection, **settings: Any) -> Maintenance:
    return maintain_database(connection, MaintainSettings(lock_patience_seconds=0, **settings))


def is_table(connection: psycopg.Connection, name: str) -> bool:
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", [name]).fetchone()
    return row == (True,)


def recorded(connection: psycopg.Connection) -> dict[str, bool]:
    """Return whether each recorded event is archived, by its session; each may be there once."""
    rows = connection.execute("SELECT aggregate_id, archived FROM recorded_events").fetchall()
    assert len(rows) == len(dict(rows)), rows
    return dict(rows)


def tables(days_ago: int) -> Iterator[str]:
    yield partition_name("domain_events", days_ago)
    yield partition_name("domain_event_deliveries", days_ago)
