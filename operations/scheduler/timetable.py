"""When each task is due, what became of it, and whether that is well. Knows nothing of the tasks.

What became of the last runs outlives the process, in a file: a daily task is not repeated at every
restart, and `outbox doctor` reads it although the scheduler is down.
"""

import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import structlog

from infra.local.files import write_private

_log = structlog.get_logger(__name__)

RUNS_FILE = "runs.json"
# For the first run after a stop that took long: what reads everything may take its time.
_ROOM_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `summary`: one line for a person, with the command that goes further.

    `fine`: nothing needs a person. `alarming`: if that lasts, the system as a whole is at fault.
    `next_since`: from when on the next run reads, in seconds since 1970, where this one decides it.
    `again`: which part of its work the next run does again. `offenders`: how many it found, by
    kind, also of those kinds of which there were none; empty where it was no reconciliation.
    """

    verdict: str
    summary: str
    fine: bool
    alarming: bool = False
    next_since: float | None = None
    again: float = 1.0
    offenders: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Turn:
    """What a task is given for one run.

    `began_at`: in seconds since 1970. `last`: the outcome of the last run that succeeded, perhaps
    that of an earlier process.
    """

    began_at: float
    last: Outcome | None
    wait: Callable[[float], None]
    waited_seconds: float = 0.0

    def sleep(self, seconds: float) -> None:
        """Wait for others: that costs nothing, and so it is no part of the task's share."""
        self.wait(seconds)
        self.waited_seconds += seconds


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be done again and again.

    `first_seconds` after the start at the earliest; `retry_seconds` after a run that failed, or
    that found something alarming: a repair shows soon. It is overdue if none succeeded for
    `limit_seconds`. Whatever these say, it rests for so long that the work which every run does
    again takes no more than `share_max` of the time.
    """

    name: str
    run: Callable[[Turn], Outcome]
    every_seconds: float
    limit_seconds: float
    first_seconds: float
    retry_seconds: float
    share_max: float

    def rest_seconds(self, run: "Run") -> float:
        """Return how long it rests after a run."""
        pace_seconds = self.retry_seconds if run.asks_for_another else self.every_seconds
        return max(pace_seconds, run.again_seconds / self.share_max)


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a task; times in seconds since 1970. `error`: why the last run failed.

    `outcome` is that of the last run which succeeded; a run that found faults has succeeded too.
    `again_seconds`: how long the last run worked on what the next one does again; all that a
    failed one did.
    """

    succeeded_at: float | None = None
    took_seconds: float | None = None
    outcome: Outcome | None = None
    alarming_since: float | None = None
    error: str | None = None
    again_seconds: float = 0.0

    @property
    def asks_for_another(self) -> bool:
        """Whether the next one should not wait for its turn."""
        return self.error is not None or (self.outcome is not None and self.outcome.alarming)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a task stands. is_current: its last run succeeded, within its limit."""

    task: str
    run: Run
    is_overdue: bool
    is_current: bool


def read_runs(directory: Path) -> dict[str, Run]:
    """Return the last run of each task by name; nothing where none was ever written."""
    try:
        written = json.loads((directory / RUNS_FILE).read_text())
        return {name: _run_of(fields) for name, fields in written.items()}
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        # Written by another version: the next runs write it anew.
        return {}


def _run_of(fields: Mapping[str, Any]) -> Run:
    outcome = fields["outcome"]
    return Run(**{**fields, "outcome": None if outcome is None else Outcome(**outcome)})


@dataclass(slots=True)
class Timetable:
    """Runs tasks as they fall due, and knows how they went. Each task belongs to one thread."""

    tasks: Iterable[Task]
    directory: Path
    fault_seconds: float
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    _due: dict[str, float] = field(default_factory=dict)
    _granted: dict[str, float] = field(default_factory=dict)
    _runs: dict[str, Run] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        """Take up where an earlier process stopped."""
        self.tasks = tuple(self.tasks)
        earlier = read_runs(self.directory)
        started = self.clock()
        for task in self.tasks:
            run = earlier.get(task.name, Run())
            # Whether it is still so is found out by this process, and at once.
            self._runs[task.name] = replace(run, alarming_since=None, error=None)
            self._due[task.name] = started + max(task.first_seconds, self._rest_left(task, run))
            self._granted[task.name] = started + self._grant_left(task, run)

    def _rest_left(self, task: Task, run: Run) -> float:
        """How long a task that ran before this process may still rest."""
        if run.succeeded_at is None or run.asks_for_another:
            return 0.0
        return max(task.rest_seconds(run) - self._seconds_since(run.succeeded_at), 0.0)

    def _grant_left(self, task: Task, run: Run) -> float:
        """How long a task may still go without success: an earlier process's failures count."""
        if run.succeeded_at is None:
            return task.limit_seconds
        left = max(task.limit_seconds - self._seconds_since(run.succeeded_at), _ROOM_SECONDS)
        return min(left, task.limit_seconds)

    def _seconds_since(self, succeeded_at: float) -> float:
        """How long ago; a clock that was set back makes no rest longer than it ever is."""
        return max(self.wall_clock() - succeeded_at, 0.0)

    def seconds_until_due(self, tasks: Iterable[Task]) -> float:
        """How long nothing is to be done of these."""
        return max(0.0, min(self._due[task.name] for task in tasks) - self.clock())

    def is_due(self, task: Task) -> bool:
        """Whether it is time."""
        return self.clock() >= self._due[task.name]

    def carry_out(self, task: Task) -> None:
        """Run a task and write down what became of it. Raises nothing: a failed run is repeated."""
        began = self.clock()
        turn = Turn(self.wall_clock(), self._runs[task.name].outcome, self.sleep)
        try:
            outcome = task.run(turn)
            took_seconds = round(self.clock() - began, 3)
            log = _log.info if outcome.fine else _log.warning
            log("task_done", task=task.name, took_seconds=took_seconds, **asdict(outcome))
            self._succeeded(task, outcome, took_seconds, took_seconds - turn.waited_seconds)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and tried again
            _log.warning("task_failed", task=task.name, error=str(error), kind=type(error).__name__)
            self._failed(task, error, self.clock() - began - turn.waited_seconds)

    def _succeeded(
        self, task: Task, outcome: Outcome, took_seconds: float, worked_seconds: float
    ) -> None:
        now = self.wall_clock()
        with self._lock:
            since = self._runs[task.name].alarming_since
            run = self._runs[task.name] = Run(
                succeeded_at=now,
                took_seconds=took_seconds,
                outcome=outcome,
                alarming_since=(since or now) if outcome.alarming else None,
                again_seconds=worked_seconds * outcome.again,
            )
            self._due[task.name] = self.clock() + task.rest_seconds(run)
            self._granted[task.name] = self.clock() + task.limit_seconds
            self._write()

    def _failed(self, task: Task, error: Exception, worked_seconds: float) -> None:
        message = " ".join(str(error).split()) or repr(error)
        with self._lock:
            run = replace(self._runs[task.name], error=message, again_seconds=worked_seconds)
            self._runs[task.name] = run
            self._due[task.name] = self.clock() + task.rest_seconds(run)
            try:
                self._write()
            except OSError as fault:
                # Perhaps that is why the run failed; whoever asks for the health is told anyway.
                _log.warning("runs_not_written", error=str(fault))

    def _write(self) -> None:
        written = {name: asdict(run) for name, run in self._runs.items()}
        write_private(self.directory / RUNS_FILE, json.dumps(written, indent=2))

    def standings(self) -> list[Standing]:
        """Return how each task stands now."""
        with self._lock:
            runs = dict(self._runs)
        return [self._standing(task, runs[task.name]) for task in self.tasks]

    def _standing(self, task: Task, run: Run) -> Standing:
        lately = (
            run.succeeded_at is not None
            and self._seconds_since(run.succeeded_at) <= task.limit_seconds
        )
        return Standing(
            task=task.name,
            run=run,
            is_overdue=self.clock() > self._granted[task.name],
            is_current=lately and run.error is None,
        )

    def health(self) -> dict[str, object]:
        """Return what a health page tells: what is wrong, what a person should know, the runs."""
        faults, notices = {}, {}
        with self._lock:
            runs = dict(self._runs)
        for task in self.tasks:
            fault = self._fault(task, runs[task.name])
            notice = self._notice(runs[task.name])
            if fault is not None:
                faults[task.name] = fault
            elif notice is not None:
                notices[task.name] = notice
        return {
            "ready": not faults,
            "faults": faults,
            "notices": notices,
            "runs": {name: asdict(run) for name, run in runs.items()},
        }

    def _fault(self, task: Task, run: Run) -> str | None:
        if self.clock() > self._granted[task.name]:
            reason = run.error or self._delay(task, run)
            return f"{task.name} has not succeeded for {task.limit_seconds:.0f} s: {reason}"
        if run.outcome is None or run.alarming_since is None:
            return None
        lasts_seconds = self.wall_clock() - run.alarming_since
        if lasts_seconds < self.fault_seconds:
            return None
        return f"{run.outcome.summary} (for {lasts_seconds:.0f} s)"

    def _delay(self, task: Task, run: Run) -> str:
        if self.is_due(task):
            return "it is still under way"
        return f"it works for {run.again_seconds:.0f} s, and rests after that"

    def _notice(self, run: Run) -> str | None:
        if run.error is not None:
            return f"the last run failed: {run.error}"
        if run.outcome is None or run.outcome.fine:
            return None
        return run.outcome.summary
