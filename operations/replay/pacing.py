"""Spreads what is sent over time, so that live traffic keeps its place."""

import time
from collections.abc import Callable

_BURST_SECONDS = 0.02


class Pace:
    """At most so many events a second, from the first on."""

    def __init__(
        self,
        events_per_second: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._seconds_each = 1 / events_per_second
        self._clock = clock
        self._sleep = sleep
        self._next_at = clock()

    def wait(self) -> None:
        """Return when the next event may be sent; time that was not used is not made up for."""
        now = self._clock()
        self._next_at = max(self._next_at, now - _BURST_SECONDS)
        if self._next_at > now + _BURST_SECONDS:
            self._sleep(self._next_at - now)
        self._next_at += self._seconds_each
