"""An application whose sessions complete in bursts; killed and started again, it goes on.

Each session is one transaction. What is committed is asked of the database, so that a session whose
commit was interrupted is neither left out nor completed twice.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Protocol

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

THREADS = 8
BURST_SESSIONS = 100
BURST_SECONDS = 0.5
_RECONNECT_SECONDS = 0.1


class Sessions(Protocol):
    """Where sessions are completed: one connection each, made anew when it broke."""

    def completed(self) -> set[str]:
        """Return the ids of the sessions whose completion is committed."""
        ...

    def complete(self, session_id: str) -> None:
        """Complete a session in a transaction of its own."""
        ...


def session_ids(name: str, count: int) -> list[str]:
    """Return the ids of a run's sessions, in the order in which they complete."""
    return [f"{name}-{number:05}" for number in range(1, count + 1)]


def complete_in_bursts(ids: Sequence[str], connect: Callable[[], Sessions]) -> None:
    """Complete what is not completed yet, a hundred at once twice a second, on eight threads."""
    done = patiently(connect).completed()
    waiting = [session_id for session_id in ids if session_id not in done]
    lanes = [_Lane(connect) for _ in range(THREADS)]
    started = time.monotonic()
    with ThreadPoolExecutor(THREADS) as pool:
        for first in range(0, len(waiting), BURST_SESSIONS):
            burst = waiting[first : first + BURST_SESSIONS]
            due = started + first / BURST_SESSIONS * BURST_SECONDS
            time.sleep(max(0.0, due - time.monotonic()))
            shares = [burst[number::THREADS] for number in range(THREADS)]
            for finished in [
                pool.submit(lane.complete_all, share)
                for lane, share in zip(lanes, shares, strict=True)
            ]:
                finished.result()


def patiently(connect: Callable[[], Sessions]) -> Sessions:
    """Connect, however long the database is away."""
    while True:
        try:
            return connect()
        except psycopg.OperationalError:
            time.sleep(_RECONNECT_SECONDS)


class _Lane:
    """One thread's connection; where it breaks, the database is asked what was committed."""

    def __init__(self, connect: Callable[[], Sessions]) -> None:
        self._connect = connect
        self._sessions = patiently(connect)

    def complete_all(self, ids: Sequence[str]) -> None:
        for session_id in ids:
            self._complete(session_id)

    def _complete(self, session_id: str) -> None:
        while True:
            try:
                self._sessions.complete(session_id)
            except psycopg.OperationalError:
                self._sessions = patiently(self._connect)
                if session_id in self._sessions.completed():
                    return
            else:
                return
