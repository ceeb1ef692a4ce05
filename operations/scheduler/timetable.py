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


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to. `summary`: one line for a person, with the command that goes further.

    `fine`: nothing needs a person. `alarming`: if that lasts, the system as a whole is at fault.
    """

    verdict: str
    summary: str
    fine: bool
    alarming: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """Something to be done again and again.

    `first_seconds` after the start at the earliest; `retry_seconds` after a run that failed, or
    that found something alarming: a repair shows soon. It is overdue if none succeeded for
    `limit_seconds`.
    """

    name: str
    run: Callable[[], Outcome]
    every_seconds: float
    limit_seconds: float
    first_seconds: float
    retry_seconds: float


@dataclass(frozen=True, slots=True)
class Run:
    """What became of a task; times in seconds since 1970. `error`: why the last run failed.

    `outcome` is that of the last run which succeeded; a run that found faults has succeeded too.
    """

    succeeded_at: float | None = None
    took_seconds: float | None = None
    outcome: Outcome | None = None
    alarming_since: float | None = None
    error: str | None = None

    @property
    def asks_for_another(self) -> bool:
        """Whether the next one should not wait for its turn."""
        return self.error is not None or (self.outcome is not None and self.outcome.alarming)


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
            self._due[task.name] = started + max(task.first_seconds, self._rest(task, run))
            self._granted[task.name] = started + task.limit_seconds

    def _rest(self, task: Task, run: Run) -> float:
        """How long a task that ran before this process may rest."""
        if run.succeeded_at is None or run.asks_for_another:
            return 0.0
        # A clock that was set back must not let it rest for longer than it ever does.
        since = max(self.wall_clock() - run.succeeded_at, 0.0)
        return max(task.every_seconds - since, 0.0)

    def seconds_until_due(self, tasks: Iterable[Task]) -> float:
        """How long nothing is to be done of these."""
        return max(0.0, min(self._due[task.name] for task in tasks) - self.clock())

    def is_due(self, task: Task) -> bool:
        """Whether it is time."""
        return self.clock() >= self._due[task.name]

    def carry_out(self, task: Task) -> None:
        """Run a task and write down what became of it. Raises nothing: a failed run is repeated."""
        began = self.clock()
        try:
            outcome = task.run()
            took_seconds = round(self.clock() - began, 3)
            log = _log.info if outcome.fine else _log.warning
            log("task_done", task=task.name, took_seconds=took_seconds, **asdict(outcome))
            self._succeeded(task, outcome, took_seconds)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told and tried again
            _log.warning("task_failed", task=task.name, error=str(error), kind=type(error).__name__)
            self._failed(task, error)

    def _succeeded(self, task: Task, outcome: Outcome, took_seconds: float) -> None:
        now = self.wall_clock()
        with self._lock:
            since = self._runs[task.name].alarming_since
            run = self._runs[task.name] = Run(
                succeeded_at=now,
                took_seconds=took_seconds,
                outcome=outcome,
                alarming_since=(since or now) if outcome.alarming else None,
            )
            rest_seconds = task.retry_seconds if run.asks_for_another else task.every_seconds
            self._due[task.name] = self.clock() + rest_seconds
            self._granted[task.name] = self.clock() + task.limit_seconds
            self._write()

    def _failed(self, task: Task, error: Exception) -> None:
        message = " ".join(str(error).split()) or repr(error)
        with self._lock:
            self._runs[task.name] = replace(self._runs[task.name], error=message)
            self._due[task.name] = self.clock() + task.retry_seconds
            try:
                self._write()
            except OSError as fault:
                # Perhaps that is why the run failed; whoever asks for the health is told anyway.
                _log.warning("runs_not_written", error=str(fault))

    def _write(self) -> None:
        written = {name: asdict(run) for name, run in self._runs.items()}
        write_private(self.directory / RUNS_FILE, json.dumps(written, indent=2))

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
            reason = run.error or "it is still under way"
            return f"{task.name} has not succeeded for {task.limit_seconds:.0f} s: {reason}"
        if run.outcome is None or run.alarming_since is None:
            return None
        lasts_seconds = self.wall_clock() - run.alarming_since
        if lasts_seconds < self.fault_seconds:
            return None
        return f"{run.outcome.summary} (for {lasts_seconds:.0f} s)"

    def _notice(self, run: Run) -> str | None:
        if run.error is not None:
            return f"the last run failed: {run.error}"
        if run.outcome is None or run.outcome.fine:
            return None
        return run.outcome.summary
