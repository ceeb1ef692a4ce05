"""What `outbox connectors recover` does beyond the slot: every event without a receipt is sent."""

from collections.abc import Callable

import psycopg
from psycopg.rows import dict_row

from operations.replay.sending import in_commit_order, send_events
from schemas.brokers import Brokers

_ROWS_AT_ONCE = 1_000
_UNDELIVERED = in_commit_order("SELECT * FROM undelivered_events")


def make_publication(admin_database_url: str, database_url: str, publication_sql: str) -> None:
    """Make the publication, in the place of one that leaves events out, whoever made that.

    admin_database_url: of a role that may drop any; database_url: the owner's.
    """
    with psycopg.connect(admin_database_url, autocommit=True) as admin:
        admin.execute("DROP PUBLICATION IF EXISTS outbox_events")
    with psycopg.connect(database_url) as owner:
        owner.execute(publication_sql.encode())


def send_undelivered(database_url: str, brokers: Brokers, report: Callable[[int], None]) -> int:
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
        return send_events(brokers, events, "recover", report)
