"""How a campaign waits, and when it calls a fault recovered."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.faults.backlog import Backlog
    from tests.faults.evidence import Evidence
    from tests.faults.monitor import Monitor

PATIENCE_SECONDS = 300.0
"""After so long a backlog is not waited for any more, and the campaign is over."""

GREEN_SECONDS = 180.0
UNSEEN_SECONDS = 1.0
"""What was killed a moment ago may still look well."""

LANES_SECONDS = 30.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Settling:
    """Waits for what the backlog and the monitor see."""

    backlog: Backlog
    monitor: Monitor
    evidence: Evidence
    say: Callable[[str], None]

    def settle(self, ended_at: float) -> tuple[float | None, float | None]:
        """Wait until a fault that ended is over: return when it was recovered from, and when green.

        A kill is over at once, but what is committed until all processes are back belongs to it
        too: so once more everything is waited for, after the status is green.
        """
        drained_at = self._drained()
        green_at = self._green(ended_at + UNSEEN_SECONDS)
        return None if drained_at is None else self._drained(), green_at

    def wait_for_lanes(self, names: set[str], since: float) -> None:
        """Let every lane of the application commit once more; whether it did is in its journal."""
        deadline = time.monotonic() + LANES_SECONDS
        while time.monotonic() < deadline:
            last = self.backlog.last_commits
            if all(last.get(name, since) > since for name in names):
                return
            time.sleep(LOOK_SECONDS)

    def _drained(self) -> float | None:
        """Return when everything that was committed by now was through; None if it never was."""
        waiting = self.backlog.waiting()
        deadline = time.monotonic() + PATIENCE_SECONDS
        while waiting := self.backlog.still(waiting):
            if time.monotonic() > deadline:
                self.say(
                    f"{len(waiting.events)} events and {len(waiting.subjects)} bills wait, "
                    f"of them {sorted(waiting.events)[:3]} and {sorted(waiting.subjects)[:3]}"
                )
                return None
            time.sleep(LOOK_SECONDS)
        return time.monotonic()

    def _green(self, since: float) -> float | None:
        """Return when the status was first seen green after `since`; None if it never was."""
        deadline = time.monotonic() + GREEN_SECONDS
        while time.monotonic() < deadline:
            seen = self.evidence.one(
                "SELECT min(at) FROM samples WHERE at >= ? AND unhealthy = ''", since
            )
            if seen is not None:
                return float(seen)
            time.sleep(LOOK_SECONDS)
        self.say(f"not green: {', '.join(self.monitor.unhealthy)}")
        return None
