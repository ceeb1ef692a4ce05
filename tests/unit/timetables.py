"""A timetable whose clocks a test moves, and a task that does what the test says."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from operations.scheduler.timetable import Outcome, Task, Timetable, Turn

FINE = Outcome("clean", "all is well", fine=True)
FOR_A_PERSON = Outcome("discrepancy", "1 failed", fine=False)
ALARMING = Outcome("discrepancy", "1 missing", fine=False, alarming=True)


@dataclass
class Clock:
    """A clock of the process and one on the wall; `wall_ahead` is how far the latter was set."""

    seconds: float = 1_000.0
    wall_ahead: float = 1_700_000_000.0

    def now(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.seconds + self.wall_ahead

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds


@dataclass
class World:
    """A run works for `works_seconds` and waits for `waits_seconds`, then comes to `outcome`."""

    directory: Path
    clock: Clock = field(default_factory=Clock)
    outcome: Outcome | Exception = FINE
    works_seconds: float = 0.0
    waits_seconds: float = 0.0
    runs: int = 0

    def task(self, **changes: Any) -> Task:
        times = {
            "every_seconds": 60.0,
            "limit_seconds": 300.0,
            "first_seconds": 15.0,
            "retry_seconds": 10.0,
            "share_max": 0.05,
            **changes,
        }
        return Task("reconcile", self._run, **times)

    def timetable(self, task: Task) -> Timetable:
        clock = self.clock
        return Timetable([task], self.directory, 120.0, clock.now, clock.wall, clock.pass_by)

    def _run(self, turn: Turn) -> Outcome:
        self.runs += 1
        self.clock.pass_by(self.works_seconds)
        turn.sleep(self.waits_seconds)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


def after(timetable: Timetable, task: Task) -> float:
    """How long a task still rests."""
    return timetable.seconds_until_due([task])
