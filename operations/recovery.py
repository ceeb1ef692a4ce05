"""What `outbox connectors recover` does beyond the slot: every event without a receipt is sent."""

from collections.abc import Callable

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from operations.replay.sending import EVENT_COLUMNS, send_events

_ROWS_AT_ONCE = 1_000

# In the order of their commits where the server notes when they were, else of their inserts: so
# that the first deliveries of an aggregate's events keep it.
_UNDELIVERED = sql.SQL(
    """
    SELECT {columns}
    FROM (
        SELECT
            undelivered.*,
            CASE WHEN current_setting('track_commit_timestamp') = 'on'
                THEN pg_xact_commit_timestamp(written.xmin)
            END AS committed_at
        FROM undelivered_events AS undelivered
        JOIN domain_events AS written USING (id, created_at)
    ) AS undelivered
    -- What was committed before the server began to note it comes first.
    ORDER BY committed_at NULLS FIRST, created_at, id
    """
).format(columns=sql.SQL(EVENT_COLUMNS))


def make_publication(database_url: str, publication_sql: str) -> None:
    """Make the publication unless it is there. database_url: the owner's."""
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_publication WHERE pubname = 'outbox_events')"
        ).fetchone()
        if row != (True,):
            connection.execute(publication_sql.encode())


def send_undelivered(
    database_url: str, bootstrap_servers: str, report: Callable[[int], None]
) -> int:
    """Send each event that is committed now and has no receipt to its topic; return how many.

    report is told from time to time how many were sent. Raises as send_events does; what was sent
    is then sent again the next time.
    """
    with (
        psycopg.connect(database_url, row_factory=dict_row) as connection,
        connection.cursor(name="undelivered") as events,
    ):
        events.itersize = _ROWS_AT_ONCE
        events.execute(_UNDELIVERED)
        return send_events(bootstrap_servers, events, "recover", report)
