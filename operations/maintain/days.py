"""Which days are old enough, and what stands in the way of dropping one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import class_row

_DAYS = (Path(__file__).parent / "days.sql").read_text(encoding="utf-8")
# Only events under their own topic are delivered: as in the view recorded_events.
_UNDELIVERED = """
    SELECT
        count(*),
        coalesce((array_agg(event.id ORDER BY event.created_at, event.id))[1:10], ARRAY[]::uuid[])
    FROM {events} AS event
    LEFT JOIN domain_event_deliveries AS receipt
        ON receipt.event_id = event.id
        AND receipt.event_created_at = event.created_at
        AND receipt.topic = 'events.' || event.aggregate_type
        AND receipt.event_created_at >= %(since)s AND receipt.event_created_at < %(until)s
    WHERE receipt.event_id IS NULL
      AND event.created_at >= %(since)s AND event.created_at < %(until)s
"""


@dataclass(frozen=True, slots=True)
class Day:
    """A day in UTC with the names of its partitions; None where it has none."""

    day: date
    events: str | None
    receipts: str | None

    @property
    def since(self) -> datetime:
        """Its first moment."""
        return datetime(self.day.year, self.day.month, self.day.day, tzinfo=UTC)

    @property
    def until(self) -> datetime:
        """The first moment after it."""
        return self.since + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Undelivered:
    """How many events Kafka has not had, and the first of them."""

    amount: int
    first_ids: Sequence[UUID]


def expired_days(connection: psycopg.Connection, retention_days: int) -> list[Day]:
    """Return the days of which nothing is younger than the retention, oldest first."""
    with connection.cursor(row_factory=class_row(Day)) as cursor:
        return cursor.execute(_DAYS, {"retention_days": retention_days}).fetchall()


def undelivered(
    connection: psycopg.Connection, partition: str, since: datetime, until: datetime
) -> Undelivered:
    """Look for events of a partition that have no receipt."""
    query = sql.SQL(_UNDELIVERED).format(events=sql.Identifier(partition))
    row = connection.execute(query, {"since": since, "until": until}).fetchone()
    return Undelivered(0, ()) if row is None else Undelivered(*row)
