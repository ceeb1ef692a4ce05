"""Waiting for processes to become healthy, and giving up early when they cannot."""

import threading
import time
from collections.abc import Callable

from infra.local.errors import ProcessFailedError
from infra.local.files import tail
from infra.local.layout import Layout
from infra.local.supervision import Supervisor

HEALTHY_SECONDS = 90.0
POLL_SECONDS = 0.05
LOOK_SECONDS = 0.5
DEATHS_UNTIL_HOPELESS = 3


class Waiter:
    """Waits for health; `cancel` ends every wait of every thread at once."""

    def __init__(self, layout: Layout, supervisor: Supervisor) -> None:
        self._layout = layout
        self._supervisor = supervisor
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End all waits: whoever waits gets a ProcessFailedError."""
        self._cancelled.set()

    def until_healthy(self, name: str, is_healthy: Callable[[], bool]) -> None:
        """Return once ``is_healthy``; raises ProcessFailedError with the log's tail.

        Gives up after HEALTHY_SECONDS, or as soon as the process has died a few times.
        """
        deadline = time.monotonic() + HEALTHY_SECONDS
        next_look = time.monotonic() + LOOK_SECONDS
        starts: set[int] = set()
        while not is_healthy():
            if self._cancelled.wait(POLL_SECONDS):
                raise ProcessFailedError(f"Waiting for {name} was given up.")
            if time.monotonic() > next_look:
                starts |= self._started_at(name)
                next_look = time.monotonic() + LOOK_SECONDS
            if len(starts) > DEATHS_UNTIL_HOPELESS:
                raise self._failure(name, f"died {len(starts) - 1} times while it started")
            if time.monotonic() > deadline:
                raise self._failure(name, f"did not become healthy in {HEALTHY_SECONDS:.0f} s")

    def _started_at(self, name: str) -> set[int]:
        """When the process was last started: each restart brings another time."""
        return {row.started_at for row in self._supervisor.processes() if row.name == name}

    def _failure(self, name: str, what: str) -> ProcessFailedError:
        log = self._layout.log(name)
        return ProcessFailedError(f"{name} {what}. Its log, {log}, ends:\n{tail(log)}")
