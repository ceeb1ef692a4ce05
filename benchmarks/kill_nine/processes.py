"""Processes that are killed, and started again at once."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Sequence


_LOOK_SECONDS = 0.02


class Restarted:
    """A Python module as a process of its own, which `kill` ends and starts again."""

    def __init__(self, *command: str) -> None:
        self._command = [sys.executable, "-m", *command]
        self._process = subprocess.Popen(self._command)

    def kill(self) -> None:
        """Kill it with SIGKILL; start it again, unless it had ended by itself."""
        if self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = subprocess.Popen(self._command)

    def wait(self) -> None:
        """Wait until it ends by itself; raises ChildProcessError if it failed."""
        if self._process.wait() != 0:
            raise ChildProcessError(f"{' '.join(self._command[2:4])} ended with an error")

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    def end(self) -> None:
        """End it for good."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@contextlib.contextmanager
def restarted(*command: str) -> Iterator[Restarted]:
    """Run a module until the block ends."""
    process = Restarted(*command)
    try:
        yield process
    finally:
        process.end()


def kill_moments(randomness: random.Random, kills: int, seconds: float) -> list[float]:
    """Return seeded moments of kills, in seconds from the start, within the time of a run."""
    return sorted(randomness.uniform(0.2, seconds) for _ in range(kills))


def kill_at(moments: Sequence[float], kill: Callable[[], None]) -> list[float]:
    """Kill at each moment from now on; return the wall-clock times of the kills."""
    started = time.monotonic()
    times = []
    for moment in moments:
        time.sleep(max(0.0, started + moment - time.monotonic()))
        kill()
        times.append(time.time())
    return times


def kill_process(pid_of: Callable[[], int | None]) -> None:
    """Kill a supervised process, once it runs."""
    while (pid := pid_of()) is None:
        time.sleep(_LOOK_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
