"""How long bills took: from the commit of the event to the commit of the ledger's row.

Both by PostgreSQL's own commit timestamps, of every bill; beside them what a client saw, which
commits a session and asks a second connection for its row until it is there.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from benchmarks.side_by_side.application import STATEMENTS

if TYPE_CHECKING:
    from benchmarks.side_by_side.systems import Running
    from benchmarks.side_by_side.work import Work

_BILLED = """
    SELECT (extract(epoch FROM pg_xact_commit_timestamp(entry.xmin)
                             - pg_xact_commit_timestamp({inserted_by})) * 1000)::float8,
           extract(epoch FROM pg_xact_commit_timestamp({inserted_by}))::float8,
           extract(epoch FROM pg_xact_commit_timestamp(entry.xmin))::float8
    FROM mentor_payable_ledgers AS entry
    JOIN {events} AS event ON event.id = entry.source_event_id
    WHERE entry.mentor_id = ANY(%s)
    ORDER BY 2
"""
_COUNT = "SELECT count(*) FROM mentor_payable_ledgers WHERE mentor_id = ANY(%s)"
_IS_BILLED = "SELECT EXISTS (SELECT FROM mentor_payable_ledgers WHERE session_id = %s)"
# A client that asks all the time would slow the slower systems more.
_LOOK_SECONDS, _LOOK_SHARE = 0.001, 0.02
_PROBE_SECONDS = 0.25
# To count many costs time that the system would have.
_COUNT_SECONDS, _MANY = 1.0, 10_000


@dataclass(frozen=True, slots=True)
class Billed:
    """The bills of a run: each one's latency, in the order in which their events were committed.

    `begun_at`, `ended_at`: when the first event and the last row were, in seconds since 1970.
    """

    milliseconds: tuple[float, ...]
    begun_at: float
    ended_at: float

    @property
    def seconds(self) -> float:
        """From the first event's commit to the last row's."""
        return self.ended_at - self.begun_at


def billed(admin: psycopg.Connection[Any], running: Running, work: Work) -> Billed:
    """Return what was billed of a run by now."""
    query = sql.SQL(_BILLED).format(
        events=sql.Identifier(running.events_table), inserted_by=sql.SQL(running.inserted_by)
    )
    rows = admin.execute(query, [work.mentors()]).fetchall()
    if not rows:
        return Billed((), 0.0, 0.0)
    milliseconds, committed, posted = zip(*rows, strict=True)
    return Billed(tuple(milliseconds), min(committed), max(posted))


def count_billed(admin: psycopg.Connection[Any], work: Work) -> int:
    """Return how many entries a run has in the ledger by now."""
    row = admin.execute(_COUNT, [work.mentors()]).fetchone()
    return int(row[0]) if row else 0


def wait_until_billed(admin: psycopg.Connection[Any], work: Work, patience_seconds: float) -> int:
    """Wait until all is billed, or patience is at its end; return how many are not."""
    deadline = time.monotonic() + patience_seconds
    while True:
        missing = work.bills - count_billed(admin, work)
        if missing <= 0 or time.monotonic() > deadline:
            return missing
        time.sleep(_COUNT_SECONDS if missing > _MANY else _COUNT_SECONDS / 10)


class Probe(threading.Thread):
    """A client that commits a session four times a second and asks for its bill until it is there.

    `work` has the prices of its mentors, and sessions enough.
    """

    def __init__(self, running: Running, work: Work) -> None:
        super().__init__(daemon=True)
        self.milliseconds: list[float] = []
        self.events = 0
        self._running = running
        self._work = work
        self._stopping = threading.Event()

    def run(self) -> None:
        """Probe until `stop`."""
        statement = STATEMENTS[self._running.into]
        with (
            psycopg.connect(self._running.application_url, autocommit=True) as first,
            psycopg.connect(self._running.admin_url, autocommit=True) as second,
        ):
            for number in range(self._work.sessions):
                if self._stopping.wait(_PROBE_SECONDS):
                    return
                for event in self._work.events_of(number):
                    first.execute(statement, (event.session_id, event.event_type, event.payload))
                    self.events += 1
                    self._wait(second, event.session_id, time.perf_counter())

    def _wait(self, second: psycopg.Connection[Any], session_id: str, committed: float) -> None:
        while not self._stopping.is_set():
            if second.execute(_IS_BILLED, [session_id]).fetchone() == (True,):
                self.milliseconds.append((time.perf_counter() - committed) * 1000)
                return
            waited = time.perf_counter() - committed
            time.sleep(max(_LOOK_SECONDS, _LOOK_SHARE * waited))

    def stop(self) -> None:
        """End it; what it waits for then is not counted."""
        self._stopping.set()
        self.join()
