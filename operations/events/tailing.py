"""Follows domain_events: shows each event that is committed, and then what becomes of it.

PostgreSQL is asked and not Kafka: an event that never reaches Kafka is the one to see.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import psycopg

from operations.events.following import FOLLOWED_MAX, Following
from operations.events.horizon import Horizon
from operations.events.reading import Choice, arrivals, database_time, writers
from operations.history.chain import read_known

LOOK_SECONDS = 0.5
_BUSY_SHARE_MAX = 0.2
"""How much of the time a look may take; the rest is pause."""
_PAUSE_SECONDS_MAX = 5.0
_AGAIN_SECONDS = 1.0
SEEN_MAX = 500_000
"""How many events are remembered, so as not to show them twice, while a transaction is open."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What tailing needs of the world.

    `connect` gives a connection to PostgreSQL. `show` gets a row of history.sql, and whether its
    event was not seen before. `pause` waits for some seconds, and returns True if nobody reads any
    more. `tell` gets what is no data.
    """

    connect: Callable[[], psycopg.Connection[Any]]
    show: Callable[[Row, bool], None]
    pause: Callable[[float], bool]
    tell: Callable[[str], None]


class Tail:
    """Looks again and again, over one connection as long as it holds."""

    def __init__(self, choice: Choice, statuses: frozenset[str], limit: int | None) -> None:
        self._choice = choice
        self._statuses = statuses
        self._limit = limit
        self._horizon: Horizon | None = None
        self._seen: dict[UUID, datetime] = {}
        self._shown: set[UUID] = set()
        self._following = Following()
        self._remembered_since = datetime.min.replace(tzinfo=UTC)
        self._crowded = False

    def run(self, around: Surroundings, since: datetime | None) -> None:
        """Follow until `limit` events were shown or nobody reads; through outages of PostgreSQL.

        Begins with what was created `since`, by default now. Raises psycopg.OperationalError where
        PostgreSQL cannot be reached to begin with.
        """
        lost = False
        while True:
            try:
                with closing(around.connect()) as connection:
                    if self._horizon is None:
                        self._horizon = Horizon(since or database_time(connection))
                    if lost:
                        around.tell("PostgreSQL answers again: nothing was left out.")
                    lost = False
                    self._follow(connection, around, self._horizon)
                    return
            except psycopg.OperationalError as error:
                if self._horizon is None:
                    raise
                if not lost:
                    reason = str(error).strip().partition("\n")[0]
                    around.tell(f"PostgreSQL does not answer, it is tried again: {reason}")
                lost = True
            if around.pause(_AGAIN_SECONDS):
                return

    def _follow(
        self, connection: psycopg.Connection[Any], around: Surroundings, horizon: Horizon
    ) -> None:
        while True:
            begun = time.monotonic()
            for row, new in self._look(connection, around, horizon):
                if self._statuses and row["status"] not in self._statuses:
                    continue
                around.show(row, new)
                if self._limit is not None:
                    self._shown.add(row["id"])
                    if len(self._shown) >= self._limit:
                        return
            share = (time.monotonic() - begun) / _BUSY_SHARE_MAX
            if around.pause(min(max(LOOK_SECONDS, share), _PAUSE_SECONDS_MAX)):
                return

    def _look(
        self, connection: psycopg.Connection[Any], around: Surroundings, horizon: Horizon
    ) -> Iterator[tuple[Row, bool]]:
        """Yield the rows that are news, each with whether its event was not seen before."""
        looked_at, open_writers = writers(connection)
        for page in arrivals(connection, self._choice, horizon.reach(open_writers)):
            new = {event: at for event, at in page if event not in self._seen}
            rows = read_known(connection, new)
            # Only now: where the connection breaks before, they come again.
            self._begin(new, around)
            yield from ((row, True) for row in self._news(rows))
        due = self._following.due(time.monotonic())
        yield from ((row, False) for row in self._news(read_known(connection, due)))
        horizon.advance(looked_at, open_writers)
        self._forget(horizon, around)

    def _begin(self, new: Mapping[UUID, datetime], around: Surroundings) -> None:
        self._seen.update(new)
        for event, created_at in new.items():
            given_up = self._following.begin(event, created_at)
            if given_up is not None and not self._crowded:
                self._crowded = True
                around.tell(
                    f"More than {FOLLOWED_MAX} events wait for what becomes of them: those seen "
                    f"first are followed no longer, as {given_up}. `outbox history` tells."
                )

    def _news(self, rows: Sequence[Row]) -> Iterator[Row]:
        now = time.monotonic()
        yield from (row for row in rows if self._following.note(row, now))

    def _forget(self, horizon: Horizon, around: Surroundings) -> None:
        """Forget events that no reading will meet again."""
        if len(self._seen) > SEEN_MAX:
            around.tell(
                f"A transaction that writes events has been open since {horizon.oldest} or later: "
                "what it has inserted until now is not shown when it is committed."
            )
            horizon.give_up()
        if horizon.oldest > self._remembered_since:
            self._remembered_since = horizon.oldest
            self._seen = {
                event: at for event, at in self._seen.items() if at >= self._remembered_since
            }
