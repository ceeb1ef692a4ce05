"""An application at work, as a process: `python -m benchmarks.side_by_side.application`.

It inserts the events of a run, each in its own transaction, at a rate that waits for nobody (an
event that is due is sent, however long the one before took), or as fast as it can. The events of a
session stay in order. Prints as JSON how it went.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from dataclasses import asdict, dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import psycopg

from benchmarks.side_by_side.publisher import CHANNEL
from benchmarks.side_by_side.rules import Event, bill
from benchmarks.side_by_side.work import Work

if TYPE_CHECKING:
    from benchmarks.side_by_side.work import Written

DOMAIN_EVENTS, OUTBOX, NOTIFYING_OUTBOX, EMITTER = "domain_events", "outbox", "notify", "emitter"

_INTO_DOMAIN_EVENTS = """
    INSERT INTO domain_events (aggregate_type, aggregate_id, event_type, payload)
    VALUES ('session', %s, %s, %s::jsonb)
"""
_INTO_OUTBOX = """
    INSERT INTO outbox_events (aggregate_id, event_type, payload) VALUES (%s, %s, %s::jsonb)
"""
# One round trip, as an INSERT of its own is.
_INTO_NOTIFYING_OUTBOX = f"""
    WITH event AS ({_INTO_OUTBOX} RETURNING 1) SELECT pg_notify('{CHANNEL}', '') FROM event
"""  # noqa: S608 - constants
_BUSINESS_ROW = """
    INSERT INTO outbox_events (aggregate_id, event_type, payload, status)
    VALUES (%s, %s, %s::jsonb, 'emitted')
    RETURNING id::text
"""
STATEMENTS = {
    DOMAIN_EVENTS: _INTO_DOMAIN_EVENTS,
    OUTBOX: _INTO_OUTBOX,
    NOTIFYING_OUTBOX: _INTO_NOTIFYING_OUTBOX,
    EMITTER: _BUSINESS_ROW,
}
"""What an application executes for an event, with its aggregate's id, its type and its payload."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to insert, where and how fast; `events_per_second` None: as fast as it can."""

    database_url: str
    into: str
    run: str
    kind: str
    sessions: int
    lanes: int
    events_per_second: float | None


@dataclass(frozen=True, slots=True)
class Inserted:
    """How an application's run went: in seconds; `late` is the most an event was sent late.

    `cpu_seconds`: of the application's process, and of the listener where that is in it.
    """

    events: int
    cpu_seconds: float
    seconds: float
    late_seconds: float
    transaction_ms: list[float]


Emitted = queue.SimpleQueue[Event | None]
"""What the lanes of an emitter hand to its listener; None: no more comes."""


class Lane(threading.Thread):
    """One connection, which inserts every n-th session; its events are there before it begins."""

    def __init__(
        self, order: Order, number: int, begin: threading.Barrier, emitted: Emitted
    ) -> None:
        super().__init__(daemon=True)
        self.transaction_ms: list[float] = []
        self.late_seconds = 0.0
        self._emitted = emitted
        self._order = order
        self._number = number
        self._begin = begin
        self._statement = STATEMENTS[order.into]
        self._insert = self._insert_and_emit if order.into == EMITTER else self._insert_alone
        work = Work(order.run, order.kind, order.sessions)
        self._events = [
            event
            for session in range(number, order.sessions, order.lanes)
            for event in work.events_of(session)
        ]
        self._connection = psycopg.connect(order.database_url, autocommit=True)
        self._connection.prepare_threshold = 0
        self._warm_up()

    def run(self) -> None:
        """Insert what falls to this lane, when it is due."""
        self._begin.wait()
        begun_at = time.perf_counter()
        for place, event in zip(count(self._number, self._order.lanes), self._events):
            if self._order.events_per_second is not None:
                due = begun_at + place / self._order.events_per_second
                ahead = due - time.perf_counter()
                if ahead > 0:
                    time.sleep(ahead)
                else:
                    self.late_seconds = max(self.late_seconds, -ahead)
            sent_at = time.perf_counter()
            self._insert(event)
            self.transaction_ms.append((time.perf_counter() - sent_at) * 1000)
        self._connection.close()

    def _warm_up(self) -> None:
        """Insert an event and take it back: the connections of an application's pool are used."""
        with self._connection.transaction(force_rollback=True):
            for event in self._events[:1]:
                self._insert_alone(event)

    def _insert_alone(self, event: Written) -> Any:
        values = (event.session_id, event.event_type, event.payload)
        return self._connection.execute(self._statement, values)

    def _insert_and_emit(self, event: Written) -> None:
        """Commit the business change, then tell the listener, which is in memory."""
        [(row_id,)] = self._insert_alone(event).fetchall()
        self._emitted.put(Event(row_id, event.session_id, event.event_type, event.payload))


class Listener(threading.Thread):
    """Bills what a lane of the same process emits, until it is told that no more comes."""

    def __init__(self, order: Order, emitted: Emitted) -> None:
        super().__init__(daemon=True)
        self._emitted = emitted
        self._connection = psycopg.connect(order.database_url, autocommit=True)

    def run(self) -> None:
        """Bill, each event in a transaction of its own."""
        while (event := self._emitted.get()) is not None:
            with self._connection.transaction():
                bill(self._connection, event)


def insert_all(order: Order) -> Inserted:
    """Carry an order out."""
    begin = threading.Barrier(order.lanes + 1)
    emitted: Emitted = queue.SimpleQueue()
    lanes = [Lane(order, number, begin, emitted) for number in range(order.lanes)]
    listener = Listener(order, emitted) if order.into == EMITTER else None
    for thread in (*lanes, *([listener] if listener else [])):
        thread.start()
    cpu_before = time.process_time()
    begin.wait()
    begun_at = time.perf_counter()
    for lane in lanes:
        lane.join()
    seconds = time.perf_counter() - begun_at
    if listener is not None:
        emitted.put(None)
        listener.join()
    times = [each for lane in lanes for each in lane.transaction_ms]
    late = max(lane.late_seconds for lane in lanes)
    return Inserted(len(times), time.process_time() - cpu_before, seconds, late, sorted(times))


def main() -> None:
    """Read an order from the command line, carry it out, print how it went."""
    order = Order(**json.loads(sys.argv[1]))
    sys.stdout.write(json.dumps(asdict(insert_all(order))) + "\n")


if __name__ == "__main__":
    main()
