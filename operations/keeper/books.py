"""What PostgreSQL's books tell: open exceptions, what the slots keep, what has no partition.

Read again at each look, over one connection as long as it holds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from operations.keeper.watch import Faults
from operations.slots import Slot, read_slots
from stream_processors.ledger.exceptions import OPEN_STATUSES, REASONS

DEFAULT_PARTITIONS = ("domain_events_default", "domain_event_deliveries_default")
ROWS_MAX = 10_000
"""So many rows of a default partition are counted: one is too many."""

_EXCEPTIONS = """
    SELECT reason, status, count(*),
           count(*) FILTER (WHERE first_failed_at < clock_timestamp() - interval '24 hours')
    FROM billing_exceptions
    WHERE status = ANY(%s)
    GROUP BY reason, status
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One look. exceptions: by reason and status, of those that are open; rows: by table."""

    exceptions: dict[tuple[str, ...], float]
    overdue: int
    slots: dict[str, Slot]
    default_rows: dict[str, int]


class Books:
    """Asks PostgreSQL; `figures` are those of the last look that succeeded."""

    def __init__(self, connect: Callable[[], psycopg.Connection]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection | None = None
        self.figures: Figures | None = None

    def look(self) -> Faults:
        """Read everything once; finds no fault by itself. Raises what PostgreSQL does."""
        if self._connection is None:
            self._connection = self._connect()
        try:
            self.figures = read_figures(self._connection)
        except psycopg.Error:
            self._connection.close()
            self._connection = None
            raise
        return {}


def read_figures(connection: psycopg.Connection) -> Figures:
    """Return the figures as they are now; any role that may read the tables can."""
    exceptions: dict[tuple[str, ...], float] = {
        (reason, status): 0 for reason in REASONS for status in OPEN_STATUSES
    }
    overdue = 0
    for reason, status, count, of_them_overdue in connection.execute(
        _EXCEPTIONS, [list(OPEN_STATUSES)]
    ):
        exceptions[reason, status] = count
        overdue += of_them_overdue
    default_rows = {table: _rows(connection, table) for table in DEFAULT_PARTITIONS}
    return Figures(exceptions, overdue, read_slots(connection), default_rows)


def _rows(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(
        f"SELECT count(*) FROM (SELECT FROM ONLY {table} LIMIT {ROWS_MAX}) AS counted"  # noqa: S608 - one of DEFAULT_PARTITIONS
    ).fetchone()
    return 0 if row is None else int(row[0])
