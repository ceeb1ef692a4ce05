"""What `outbox connectors recover` does beyond the slot: every event without a receipt is sent."""

from collections.abc import Callable

import psycopg
from psycopg.rows import dict_row

from operations.replay.sending import send_events

_ROWS_AT_ONCE = 1_000

_WITHOUT_RECEIPT = """
    SELECT event.id::text AS id,
           event.aggregate_type,
           event.aggregate_id,
           event.event_type,
           event.payload::text AS payload,
           event.traceparent,
           event.created_at
    FROM domain_events AS event
    LEFT JOIN domain_event_deliveries AS receipt
        ON receipt.event_id = event.id
        AND receipt.event_created_at = event.created_at
    WHERE receipt.event_id IS NULL
      AND event.created_at <= %s
    ORDER BY event.created_at, event.id
"""


def publish_again(database_url: str, publication_sql: str) -> bool:
    """Make the publication if it is gone; tell whether it was. database_url: the owner's."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = 'outbox_events')"
        ).fetchone()
        if row == (True,):
            return False
        connection.execute(publication_sql.encode())
        return True


def send_undelivered(
    database_url: str, bootstrap_servers: str, report: Callable[[int], None]
) -> int:
    """Send each event that is committed now and has no receipt to its topic; return how many.

    report is told from time to time how many were sent. Raises as send_events does; what was sent
    is then sent again the next time.
    """
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        now = connection.execute("SELECT clock_timestamp() AS now").fetchone()
        with connection.cursor(name="without_receipt") as events:
            events.itersize = _ROWS_AT_ONCE
            events.execute(_WITHOUT_RECEIPT, [None if now is None else now["now"]])
            return send_events(bootstrap_servers, events, "recover", report)
