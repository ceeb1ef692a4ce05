"""Rows of the default partitions: there is no day to drop, so they go one by one.

An event lands there when no partition had been made for its day, a receipt when its event is sent
again after its day was dropped.
"""

import psycopg

from operations.maintain.archiving import BEFORE_ALL, archive_batch
from operations.maintain.days import Day

STRAYS = "domain_events_default"
_OLD_DAYS = """
    SELECT DISTINCT (created_at AT TIME ZONE 'UTC')::date
    FROM domain_events_default
    WHERE created_at < ((clock_timestamp() AT TIME ZONE 'UTC')::date - %s::int)::timestamp
        AT TIME ZONE 'UTC'
    ORDER BY 1
"""
# For the length of this transaction, which only writers to the default partition would notice. The
# trigger belongs to the owner, as everything else here does; nobody sees the table without it.
_WITHOUT_TRIGGER = "ALTER TABLE domain_events_default DISABLE TRIGGER refuse_change"
_WITH_TRIGGER = "ALTER TABLE domain_events_default ENABLE ALWAYS TRIGGER refuse_change"
_REMOVE = """
    DELETE FROM domain_events_default AS event
    USING archived_events AS archived
    WHERE archived.id = event.id AND archived.created_at = event.created_at
      AND event.created_at >= %(since)s AND event.created_at < %(until)s
      AND (event.created_at, event.id) <= (%(last_created_at)s, %(last_id)s)
"""
_SWEEP_RECEIPTS = """
    DELETE FROM domain_event_deliveries_default AS receipt
    USING archived_events AS archived
    WHERE archived.id = receipt.event_id AND archived.created_at = receipt.event_created_at
      AND NOT EXISTS (
          SELECT FROM domain_events AS event
          WHERE event.id = receipt.event_id AND event.created_at = receipt.event_created_at
      )
"""


def stray_days(connection: psycopg.Connection, retention_days: int) -> list[Day]:
    """Return the days, older than the retention, of which the default partition holds events."""
    rows = connection.execute(_OLD_DAYS, [retention_days]).fetchall()
    return [Day(day, STRAYS, None) for (day,) in rows]


def move_strays(connection: psycopg.Connection, day: Day, batch_rows: int) -> int:
    """Move the delivered events of a day from the default partition to the archive.

    Returns how many. Each batch in one transaction: no event is seen twice, or nowhere.
    """
    moved = 0
    after = BEFORE_ALL
    while True:
        with connection.transaction():
            connection.execute("SET LOCAL lock_timeout = '5s'")
            connection.execute(_WITHOUT_TRIGGER)
            batch = archive_batch(connection, STRAYS, day.since, day.until, after, batch_rows)
            if batch is not None:
                after = (batch.last_created_at, batch.last_id)
                moved += connection.execute(
                    _REMOVE,
                    {
                        "since": day.since,
                        "until": day.until,
                        "last_created_at": batch.last_created_at,
                        "last_id": batch.last_id,
                    },
                ).rowcount
            connection.execute(_WITH_TRIGGER)
        if batch is None:
            return moved


def sweep_receipts(connection: psycopg.Connection) -> int:
    """Delete second receipts of archived events; return how many. The archive keeps the first."""
    return connection.execute(_SWEEP_RECEIPTS).rowcount
