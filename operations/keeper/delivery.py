"""Whether events wait between PostgreSQL and Kafka: committed, and without a receipt.

When an event was committed, no column tells: that of a long transaction looks old at once. So what
has no receipt is remembered, and late is what was there already ten seconds before.

A look must stay cheap whatever the table holds, so only the newest events are looked at, and those
remembered. A backlog cannot hide from that: it is made of the newest. A single event that was
undelivered before this process began, and lies deeper, is found by reconciliation, which reads
everything.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

import psycopg

from operations.keeper.watch import BACKLOG_SECONDS, Faults
from operations.reconcile.comparison import events_without_receipt, still_without_receipt

EVENTS_MAX = 5_000
_DAYS = 1
_NEWEST_SINCE = """
    SELECT min(created_at)
    FROM (
        SELECT created_at
        FROM domain_events
        -- now(), which stands still for a statement: by it the other days are left out.
        WHERE created_at >= now() - make_interval(days => %s)
        ORDER BY created_at DESC
        LIMIT %s
    ) AS newest
"""
_TIMEOUT_MS = 2_000
_SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": _TIMEOUT_MS,
    # Each of a few events looks its receipt up. Joined otherwise, all receipts of the day would be
    # read: 90 ms instead of 7 among a million.
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "max_parallel_workers_per_gather": 0,
    "jit": "off",
}


def connect(database_url: str) -> psycopg.Connection:
    """Connect for looks alone, with a limit to each of them, also where the link goes nowhere."""
    return psycopg.connect(
        database_url,
        autocommit=True,
        # Planned anew each time, by the times that are asked for.
        prepare_threshold=None,
        connect_timeout=2,
        tcp_user_timeout=_TIMEOUT_MS,
        keepalives_idle=2,
        keepalives_interval=1,
        keepalives_count=2,
        options=" ".join(f"-c {name}={value}" for name, value in _SETTINGS.items()),
    )


@dataclass(frozen=True, slots=True)
class Pending:
    """How many events wait, of those looked at, and for how long the oldest does at least."""

    events: int
    oldest_seconds: float


class Remembered:
    """The events that had no receipt, and since when that is known; the oldest, if there are many.

    Counted from when it was seen: the wait is that long at least.
    """

    def __init__(self) -> None:
        self._since: dict[UUID, float] = {}

    @property
    def events(self) -> set[UUID]:
        """Those that were without a receipt at the last look."""
        return set(self._since)

    def pending(self, now: float) -> Pending:
        """Return what was without a receipt at the last look."""
        since = self._since.values()
        return Pending(len(since), now - min(since, default=now))

    def note(self, undelivered: Iterable[UUID], now: float) -> Faults:
        """Take what has no receipt now, and return the fault if some of it has waited too long."""
        undelivered = set(undelivered)
        since = {event: at for event, at in self._since.items() if event in undelivered}
        for event in undelivered - since.keys():
            if len(since) < EVENTS_MAX:
                since[event] = now
        self._since = since
        waits = [now - at for at in since.values() if now - at >= BACKLOG_SECONDS]
        if not waits:
            return {}
        oldest = min(since, key=lambda event: since[event])
        count = f"{len(waits)} or more" if len(waits) == EVENTS_MAX else len(waits)
        return {
            "delivery": f"events that were committed and not seen in Kafka yet: {count}, the "
            f"oldest for {max(waits):.0f} s at least, {oldest}: `outbox doctor`"
        }


class Delivery:
    """Asks PostgreSQL, over one connection as long as it holds."""

    def __init__(self, connect: Callable[[], psycopg.Connection]) -> None:
        self._connect = connect
        self._connection: psycopg.Connection | None = None
        self._remembered = Remembered()

    @property
    def pending(self) -> Pending:
        """What waited at the last look that succeeded."""
        return self._remembered.pending(time.monotonic())

    def look(self) -> Faults:
        """Return the fault "delivery" while there is a backlog; raises what PostgreSQL does."""
        if self._connection is None:
            self._connection = self._connect()
        try:
            undelivered = self._undelivered(self._connection)
        except psycopg.Error:
            self._connection.close()
            self._connection = None
            raise
        return self._remembered.note(undelivered, time.monotonic())

    def _undelivered(self, connection: psycopg.Connection) -> set[UUID]:
        row = connection.execute(_NEWEST_SINCE, [_DAYS, EVENTS_MAX]).fetchone()
        since = None if row is None else row[0]
        newest = set() if since is None else events_without_receipt(connection, 0, since)
        others = self._remembered.events - newest
        return newest | (still_without_receipt(connection, others) if others else set())
