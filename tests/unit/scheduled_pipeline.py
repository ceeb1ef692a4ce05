"""The reconciling tasks of the scheduler, over a pipeline that a test spoils."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from operations.reconcile.comparison import OutcomeCount, Scope
from operations.reconcile.reconciling import Examination
from operations.reconcile.report import Reconciliation, reconciliation
from operations.scheduler.settings import SchedulerSettings
from operations.scheduler.tasks import reconciling, reconciling_day
from operations.scheduler.timetable import Task, Timetable, Turn
from tests.unit.timetables import Clock, after

GRACE_SECONDS = 10.0
OVERLAP_SECONDS = 60.0
DAY_SECONDS = 86_400.0


def found(*offenders: str, still: bool = False) -> Reconciliation:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    outcomes = [OutcomeCount("offender", outcome, "", at, 1, []) for outcome in offenders]
    return reconciliation(outcomes, stands_still=still)


@dataclass
class Pipeline:
    """What a reconciliation finds, as far as its window reaches back.

    `fault`: what, and when it happened; `undecided_since`: when what is on its way fell due;
    `behind`: a stage is, `still`: it stands still; `read_only`: nothing can be recorded. Times in
    seconds on the wall.
    """

    directory: Path
    clock: Clock = field(default_factory=Clock)
    fault: tuple[str, float] | None = None
    undecided_since: float | None = None
    behind: bool = False
    still: bool = False
    broken: bool = False
    works_seconds: float = 0.0
    read_since: list[float] = field(default_factory=list)
    recorded: list[tuple[str, float, str]] = field(default_factory=list)
    read_only: bool = False

    @property
    def now(self) -> float:
        return self.clock.wall()

    def settings(self) -> SchedulerSettings:
        return SchedulerSettings(
            kafka_bootstrap_servers="",
            state_directory=self.directory,
            health_port=0,
            database_url="",
        )

    def examine(self, since: datetime | None, turn: Turn) -> Examination:
        assert since is not None
        assert turn.began_at == self.now
        began = since.timestamp()
        self.read_since.append(began)
        if self.broken:
            raise OSError("no database")
        judged = self.now - GRACE_SECONDS
        if self.undecided_since is not None and began <= self.undecided_since:
            judged = min(judged, self.undecided_since)
        faults = [self.fault[0]] if self.fault is not None and self.fault[1] >= began else []
        self.clock.pass_by(self.works_seconds)
        return Examination(
            found(*faults, still=self.still),
            Scope(judged={}),
            None if self.behind or self.still else datetime.fromtimestamp(judged, UTC),
        )

    def record(self, task: str, since: datetime | None, turn: Turn, found: Reconciliation) -> None:
        assert since is not None
        if self.read_only:
            raise OSError("read-only transaction")
        self.recorded.append((task, turn.began_at - since.timestamp(), found.verdict))

    def start_day(self) -> "Process":
        """A process of the scheduler that reconciles the whole day."""
        return self.start(partial(reconciling_day, record=self.record))

    def start(self, make: Callable[..., Task] = reconciling) -> "Process":
        """A process of the scheduler that reconciles what is new."""
        task = make(self.settings(), self.examine)
        clock = self.clock
        return Process(
            self,
            task,
            Timetable([task], self.directory, 120.0, clock.now, clock.wall, clock.pass_by),
        )


@dataclass
class Process:
    pipeline: Pipeline
    task: Task
    timetable: Timetable

    def run(self) -> float:
        """Carry the task out when it is due; return how far back it read."""
        self.pipeline.clock.pass_by(after(self.timetable, self.task))
        began = self.pipeline.now
        self.timetable.carry_out(self.task)
        return round(began - self.pipeline.read_since[-1], 3)

    @property
    def alarms(self) -> bool:
        return self.timetable._runs[self.task.name].alarming_since is not None
